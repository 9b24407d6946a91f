from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from av.stream import Disposition
from made_voices import RATE, MadeTrack, make_undecodable, voice, write_tracks

from stages.errors import SpeechError
from stages.speech.decode import Speech, read_speech

HIGH, LOW = 230.0, 110.0
SILENT = MadeTrack(samples_SC=np.zeros((2 * RATE, 2), np.float32))


def spoken(pitch: float = LOW, **facts: object) -> MadeTrack:
    return MadeTrack(samples_SC=voice(2.0, pitch=pitch)[:, None], **facts)  # type: ignore[arg-type]


def pitch_of(speech: Speech) -> float:
    """The loudest of the two pitches."""
    power_K = np.abs(np.fft.rfft(speech.samples_S)) ** 2
    hertz_K = np.fft.rfftfreq(len(speech.samples_S), 1 / 16_000)
    around = {pitch: power_K[np.abs(hertz_K - pitch) < 5].sum() for pitch in (LOW, HIGH)}
    return max(around, key=lambda pitch: around[pitch])


def number_of(path: Path, **wanted: int | str) -> int:
    heard = read_speech(path, **wanted).heard  # type: ignore[arg-type]
    assert heard is not None
    return heard.track


def refusal(path: Path, **wanted: int | str) -> SpeechError:
    with pytest.raises(SpeechError) as caught:
        read_speech(path, **wanted)  # type: ignore[arg-type]
    assert caught.value.where == str(path)
    return caught.value


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.mov"])
def test_a_silent_first_track_is_passed_over_and_told(tmp_path: Path, name: str):
    speech = read_speech(write_tracks(tmp_path / name, SILENT, spoken(HIGH)))
    assert np.abs(speech.samples_S).max() > 0.1
    told = " ".join(speech.media.sentences())
    assert "no sound in audio track 1" in told
    assert "number 2 (aac, mono" in told


def test_the_only_track_with_sound_may_be_the_third_of_four(tmp_path: Path):
    hiss = np.random.default_rng(1).normal(0, 1e-4, (2 * RATE, 1)).astype(np.float32)
    quiet = MadeTrack(samples_SC=hiss, codec="flac")
    path = write_tracks(tmp_path / "a.mkv", SILENT, quiet, spoken(codec="flac"), SILENT)
    assert number_of(path) == 3


def test_of_several_with_sound_the_default_is_heard_and_the_others_are_named(tmp_path: Path):
    path = write_tracks(
        tmp_path / "a.mkv",
        spoken(LOW, language="deu", title="Synchronfassung", disposition=Disposition(0)),
        spoken(HIGH, language="eng", disposition=Disposition.default),
    )
    speech = read_speech(path)
    assert pitch_of(speech) == HIGH
    told = " ".join(speech.media.sentences())
    assert "number 2" in told
    assert "1 (aac, mono, deu, 'Synchronfassung')" in told
    assert "track: NUMBER" in told


@pytest.mark.parametrize("purpose", ["comment", "visual_impaired", "hearing_impaired", "dub"])
def test_a_track_with_a_purpose_of_its_own_comes_after_the_others(tmp_path: Path, purpose: str):
    special = getattr(Disposition, purpose) | Disposition.default
    path = write_tracks(
        tmp_path / "a.mkv", spoken(LOW, disposition=special), spoken(HIGH, disposition=Disposition(0))
    )
    assert number_of(path) == 2


def test_a_commentary_is_heard_where_nothing_else_has_sound(tmp_path: Path):
    path = write_tracks(tmp_path / "a.mkv", spoken(disposition=Disposition.comment), SILENT)
    assert number_of(path) == 1


def test_the_job_may_name_any_track_by_number_or_language(tmp_path: Path):
    path = write_tracks(tmp_path / "a.mkv", spoken(LOW, language="eng"), spoken(HIGH, language="fra"), SILENT)
    assert pitch_of(read_speech(path, track=2)) == HIGH
    assert pitch_of(read_speech(path, track="fra")) == HIGH
    assert pitch_of(read_speech(path, track="ENG")) == LOW
    silent = read_speech(path, track=3)
    assert not silent.samples_S.any()
    assert any("there is no sound" in sentence for sentence in silent.media.sentences())


def test_a_track_that_is_not_there_is_refused_with_those_that_are(tmp_path: Path):
    path = write_tracks(tmp_path / "a.mkv", spoken(LOW, language="eng"), spoken(HIGH, language="eng"))
    for wanted in (3, "fra", "eng"):
        error = refusal(path, track=wanted)
        assert error.code == "speech_track_unknown"
        assert "1 (aac, mono, eng) and 2 (aac, mono, eng)" in error.what
    assert refusal(path, track="eng").what.startswith("2 audio tracks have the language eng")


@pytest.mark.parametrize(
    ("name", "names", "codec"),
    [
        ("a.mov", [(b"mp4a", b"apac"), (b"esds", b"dapa")], "apac"),
        ("a.mp4", [(b"mp4a", b"qzx4"), (b"esds", b"dqzx")], "qzx4"),
        ("a.mkv", [(b"A_AAC", b"A_QZX")], "a codec that has no name"),
    ],
)
def test_a_track_without_a_decoder_is_passed_over_and_told(
    tmp_path: Path, name: str, names: list[tuple[bytes, bytes]], codec: str
):
    path = make_undecodable(write_tracks(tmp_path / name, spoken(LOW), spoken(HIGH)), *names)
    speech = read_speech(path)
    assert pitch_of(speech) == HIGH
    assert any(f"no decoder for audio track 1 ({codec}" in told for told in speech.media.sentences())


@pytest.mark.parametrize("wanted", [{}, {"track": 1}])
def test_where_no_track_can_be_decoded_the_codec_is_named(tmp_path: Path, wanted: dict[str, int]):
    path = write_tracks(tmp_path / "a.mov", spoken())
    error = refusal(make_undecodable(path, (b"mp4a", b"apac"), (b"esds", b"dapa")), **wanted)
    assert error.code == "speech_codec_unknown"
    assert "apac" in error.what


def test_a_silent_file_says_so_and_is_no_error(tmp_path: Path):
    speech = read_speech(write_tracks(tmp_path / "a.mp4", SILENT, SILENT))
    assert speech.media.sound is not None
    assert speech.media.sound.level.is_silent
    assert number_of(tmp_path / "a.mp4") == 1


def test_an_ordinary_file_is_opened_once_and_has_nothing_to_tell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("stages.media.tracks.open_media", None)
    assert read_speech(write_tracks(tmp_path / "a.m4a", spoken())).media.sentences() == []
