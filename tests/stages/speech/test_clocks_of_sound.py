"""Sound lies where the clock of its file puts it, and what is missing is told."""

from __future__ import annotations

import wave
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from stages.encode.sound import MasterSound
from stages.errors import SpeechError
from stages.media.account import SoundAccount
from stages.speech.decode import Speech, read_speech
from stages.speech.source import open_speech
from tests.stages.clocked_media import RATE, tone, write_media

FPS = Fraction(25)
GRID = [k / 25 for k in range(100)]
MILLISECOND = RATE // 1000


def account(speech: Speech) -> SoundAccount:
    assert speech.media.sound is not None
    return speech.media.sound


def silent_runs(speech: Speech) -> list[tuple[int, int]]:
    """Runs of more than 30 samples of exact silence, as (start, stop), but those of the last 80 ms."""
    is_silent_S = speech.samples_S[: -2 * RATE // 25] == 0
    edges = np.flatnonzero(np.diff(np.concatenate([[0], is_silent_S.astype(np.int8), [0]])))
    return [(int(a), int(b)) for a, b in edges.reshape(-1, 2) if b - a > 30]


def test_a_gap_in_the_sound_is_filled_with_silence_and_told(tmp_path: Path):
    path = write_media(tmp_path / "a.mkv", sound=[(0, tone(1.0)), (2.2, tone(1.0))], picture=GRID)
    speech = read_speech(path)
    assert speech.source_sample_count == int(3.2 * RATE)
    assert silent_runs(speech) == [(RATE, int(2.2 * RATE))]
    assert speech.media.sentences() == ["1.2 s of silence was filled in at 0:01.0, where the sound has a gap"]
    assert account(speech).gaps.first == ((Fraction(1), Fraction(6, 5)),)


def test_many_lost_packets_do_not_add_up(tmp_path: Path):
    # 30 ms are lost in every 300: too little to be filled each time, and half a second in the end.
    pieces = [(0.3 * k, tone(0.27)) for k in range(10)]
    speech = read_speech(write_media(tmp_path / "a.mkv", sound=pieces))
    assert abs(speech.source_sample_count - int((2.7 + 0.27) * RATE)) <= RATE // 25
    assert 4 <= account(speech).gaps.count <= 9


@pytest.mark.parametrize("name", ["a.mkv", "a.mp4", "a.mov"])
@pytest.mark.parametrize("rate", [44_100, 48_000, 22_050])
@pytest.mark.parametrize("codec", ["aac", "libmp3lame", "libopus", "flac"])
def test_rounded_clocks_and_delays_of_codecs_change_no_sample(
    tmp_path: Path, name: str, codec: str, rate: int
):
    if codec == "libopus":
        rate = 48_000
    if (codec, name) in {("libopus", "a.mov"), ("flac", "a.mov")} or (codec == "flac" and rate == 22_050):
        pytest.skip("not a pair that FFmpeg writes")
    path = write_media(tmp_path / name, sound=[(0, tone(4, rate=rate))], codec=codec, rate=rate)
    speech = read_speech(path)
    # As decoded, from the first frame to the last, with nothing put between.
    assert silent_runs(speech) == []
    assert speech.media.sentences() == []
    assert 0 <= speech.source_sample_count - 4 * rate < 2 * 1152


@pytest.mark.parametrize("start", [0.5, 3.0, 12.5])
def test_sound_may_start_as_late_as_there_is_picture(tmp_path: Path, start: float):
    grid = [k / 25 for k in range(25 * 14)]
    speech = read_speech(write_media(tmp_path / "a.mkv", sound=[(start, tone(1))], picture=grid))
    assert speech.source_sample_count == int((start + 1) * RATE)
    assert account(speech).lead_silence == Fraction(start)
    assert silent_runs(speech) == [(0, int(start * RATE))]
    # That the picture goes on after the sound is no sign that sound is missing.
    (sentence,) = speech.media.sentences()
    assert "of silence come first" in sentence


@pytest.mark.parametrize("start", [30.0, 4e8])
def test_a_start_that_no_picture_reaches_is_not_believed_and_told(tmp_path: Path, start: float):
    path = write_media(tmp_path / "a.mkv", sound=[(start, tone(1))], picture=GRID)
    speech = read_speech(path)
    assert speech.source_sample_count == RATE
    assert account(speech).ignored_lead == Fraction(start)
    assert "taken to start together" in speech.media.sentences()[0]


def test_a_clock_that_jumps_by_years_fills_no_memory(tmp_path: Path):
    speech = read_speech(write_media(tmp_path / "a.mkv", sound=[(0, tone(1)), (9e7, tone(1))]))
    assert speech.source_sample_count == 2 * RATE
    assert account(speech).jumps.count == 1
    assert "jumps ahead at 0:01.0" in speech.media.sentences()[0]


@pytest.mark.parametrize("name", ["a.nut", "a.mkv"])
def test_a_picture_that_begins_an_hour_after_the_sound_does_not_vouch_for_that_hour(
    tmp_path: Path, name: str
):
    later = [3600 + k / 25 for k in range(3)]
    sound = [(5.0, tone(0.08)), (3600.0, tone(0.12))]
    speech = read_speech(write_media(tmp_path / name, sound=sound, picture=later))
    assert speech.source_sample_count == int(0.2 * RATE)
    assert account(speech).jumps.count == 1


def test_a_silence_of_minutes_is_filled_while_the_picture_goes_on(tmp_path: Path):
    grid = [k / 5 for k in range(5 * 100)]
    path = write_media(tmp_path / "a.mkv", sound=[(0, tone(1)), (95, tone(1))], picture=grid, fps=5)
    assert read_speech(path).source_sample_count == 96 * RATE


def test_what_lies_at_a_time_heard_already_is_left_out(tmp_path: Path):
    # As a splicer leaves it that cuts at pictures and lets the sound overlap.
    starts = (1.0, 2.4, 3.78)
    parts = [
        write_media(
            tmp_path / f"{start}.ts", sound=[(start, tone(1.5, rate=48_000))], codec="mp2", rate=48_000
        )
        for start in starts
    ]
    (tmp_path / "a.ts").write_bytes(b"".join(part.read_bytes() for part in parts))
    speech = read_speech(tmp_path / "a.ts")
    alone = read_speech(parts[-1])
    assert speech.source_sample_count == pytest.approx(2.78 * 48_000 + alone.source_sample_count, abs=1920)
    assert float(account(speech).repeated.seconds) == pytest.approx(0.22, abs=0.09)
    assert account(speech).parts.count == 0
    assert "was left out" in speech.media.sentences()[0]


@pytest.mark.parametrize(
    ("name", "codec", "picture_codec", "rate"),
    [
        ("a.mpg", "mp2", "mpeg2video", 48_000),
        ("a.ts", "aac", "libx264", 48_000),
        ("a.mkv", "pcm_s16le", "libx264", RATE),
        ("a.webm", "libopus", "libvpx", 48_000),
    ],
)
def test_a_clock_that_starts_again_goes_on_where_the_longer_stream_ended(
    tmp_path: Path, name: str, codec: str, picture_codec: str, rate: int
):
    # The picture of the first part is 0.6 s longer than its sound.
    parts = [
        write_media(
            tmp_path / f"{index}{name}",
            sound=[(0, tone(1.4, hertz=hertz, rate=rate))],
            picture=GRID[:50],
            codec=codec,
            rate=rate,
            picture_codec=picture_codec,
        )
        for index, hertz in enumerate((440, 900))
    ]
    joined = tmp_path / name
    joined.write_bytes(b"".join(part.read_bytes() for part in parts))
    speech, first = read_speech(joined), read_speech(parts[0])
    lead = account(first).lead_silence
    assert account(speech).parts.count == 1
    assert "starts again" in " ".join(speech.media.sentences())
    begin = 2 * RATE - lead * RATE
    window_S = speech.samples_S[int(begin) : int(begin) + RATE]
    assert _loudest_hertz(window_S) == pytest.approx(900, abs=5)
    assert np.abs(speech.samples_S[int(begin - 0.3 * RATE) : int(begin - 0.15 * RATE)]).max() < 0.02


def _loudest_hertz(samples_S: np.ndarray) -> float:
    return float(np.abs(np.fft.rfft(samples_S)).argmax() * RATE / len(samples_S))


@pytest.mark.parametrize(
    ("name", "codec", "rate"),
    [("a.oga", "flac", RATE), ("a.opus", "libopus", 48_000), ("a.flac", "flac", RATE)],
)
def test_chained_sound_is_all_there(tmp_path: Path, name: str, codec: str, rate: int):
    parts = [
        write_media(tmp_path / f"{k}{name}", sound=[(0, tone(2, rate=rate))], codec=codec, rate=rate)
        for k in range(3)
    ]
    joined = tmp_path / name
    joined.write_bytes(b"".join(part.read_bytes() for part in parts))
    speech = read_speech(joined)
    assert account(speech).parts.count == 2
    assert abs(speech.source_sample_count - 3 * read_speech(parts[0]).source_sample_count) <= 2 * rate // 25


@pytest.mark.parametrize(
    ("name", "codec"),
    [
        ("a.wav", "pcm_s16le"),
        ("a.aiff", "pcm_s16be"),
        ("a.m4a", "aac"),
        ("a.flv", "aac"),
        ("a.caf", "pcm_s16le"),
    ],
)
def test_files_that_hide_others_behind_them_are_refused_with_how_to_join(
    tmp_path: Path, name: str, codec: str
):
    part = write_media(tmp_path / f"part-{name}", sound=[(0, tone(1))], codec=codec)
    assert read_speech(part).media.sentences() == []
    (tmp_path / name).write_bytes(part.read_bytes() * 2)
    with pytest.raises(SpeechError) as caught:
        read_speech(tmp_path / name)
    assert caught.value.code == "speech_joined"
    assert "concat" in caught.value.hint


def test_a_clock_of_33_bits_that_runs_over_is_no_new_part(tmp_path: Path):
    wrap = 2**33 / 90_000
    path = write_media(
        tmp_path / "a.ts",
        sound=[(wrap - 2, tone(4, rate=48_000))],
        picture=[wrap - 2 + k / 25 for k in range(100)],
        codec="aac",
        rate=48_000,
    )
    speech = read_speech(path)
    assert account(speech).parts.count == 0
    assert speech.source_sample_count / 48_000 == pytest.approx(4, abs=0.1)


@pytest.mark.parametrize(
    ("name", "codec", "options"),
    [
        ("a.m4a", "aac", {"movflags": "+faststart"}),
        ("a.mkv", "flac", {}),
        ("a.wav", "pcm_s16le", {}),
        ("a.flac", "flac", {}),
        ("a.flv", "aac", {}),
        ("a.mp3", "libmp3lame", {}),
        ("a.aiff", "pcm_s16be", {}),
    ],
)
def test_a_file_cut_short_is_read_as_far_as_it_goes_and_told(
    tmp_path: Path, name: str, codec: str, options: dict[str, str]
):
    noise_S = np.random.default_rng(0).normal(0, 0.1, 10 * RATE).astype(np.float32)
    path = write_media(tmp_path / name, sound=[(0, noise_S)], codec=codec, options=options)
    assert read_speech(path).media.sentences() == []
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    speech = read_speech(path)
    assert 3.5 < speech.source_sample_count / RATE < 5.5
    assert "the file says that it holds 10." in speech.media.sentences()[-1]


@pytest.mark.parametrize("size", [0, 0xFFFFFFFF, 0x7FFFF024])
def test_a_header_written_before_the_sound_states_nothing(tmp_path: Path, size: int):
    path = tmp_path / "a.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes((tone(1) * 32767).astype("<i2").tobytes())
    content = bytearray(path.read_bytes())
    content[40:44] = size.to_bytes(4, "little")
    path.write_bytes(content)
    speech = read_speech(path)
    assert speech.source_sample_count == RATE
    assert speech.media.sentences() == []


def test_an_index_that_never_came_is_named(tmp_path: Path):
    path = write_media(tmp_path / "a.m4a", sound=[(0, tone(5))], codec="aac")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(SpeechError) as caught:
        read_speech(path)
    assert caught.value.code == "speech_cut_short"


def test_sound_after_damage_stays_in_its_place(tmp_path: Path):
    path = write_media(tmp_path / "a.mkv", sound=[(0, tone(10, rate=48_000))], codec="aac", rate=48_000)
    whole = read_speech(path)
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 300] = bytes(300)
    path.write_bytes(content)
    damaged = read_speech(path)
    assert abs(damaged.source_sample_count - whole.source_sample_count) <= 48_000 // 25
    assert damaged.media.sentences()


def test_the_master_has_the_same_gaps_as_the_speech(tmp_path: Path):
    path = write_media(tmp_path / "a.mkv", sound=[(0.4, tone(1.0)), (2.2, tone(1.0))], picture=GRID)
    speech = read_speech(path)
    with open_speech(path) as source:
        sound = MasterSound(source, fps=FPS)
        frames = [*sound.finish(speech.frame_count)]
        assert source.account().gaps == account(speech).gaps
    master_S = np.concatenate([frame.to_ndarray()[0] for frame in frames])
    # Its rate is threefold.
    gap_S = master_S[int(1.45 * 48_000) : int(2.15 * 48_000)]
    assert np.abs(gap_S).max() < 1e-3
    assert np.abs(master_S[int(2.25 * 48_000) : int(2.3 * 48_000)]).max() > 0.1


def test_an_ordinary_file_has_nothing_to_tell(tmp_path: Path):
    path = write_media(tmp_path / "a.mp4", sound=[(0.0, tone(2.0))], picture=GRID[:50], codec="aac")
    speech = read_speech(path)
    assert speech.media.sentences() == []
    assert speech.media.as_record()["sound"]["gaps"] == {"count": 0, "seconds": 0.0, "first": []}
