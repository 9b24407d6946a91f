"""Pictures lie where the clock of their file puts them, and what is missing or damaged is counted and told."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from stages.errors import SubjectError
from stages.speech.decode import read_speech
from stages.subject.looks import Looks
from stages.subject.quality import Level, judge_looks
from stages.video.decoding import read_decoded, read_frames
from stages.video.timing import ClipNotes
from stages.video.unfit import Unfit, UnfitFrames
from tests.stages.clocked_media import tone, write_media

GRID = [k / 25 for k in range(100)]


def read(path: Path) -> tuple[list[int], ClipNotes]:
    """Which picture every frame of the grid shows, and what was noted."""
    notes = ClipNotes()
    shown = [
        round((float(picture.frame.to_ndarray()[:32].mean()) - 50.35) / 1.7176)
        for picture in read_decoded(path, notes=notes)
    ]
    return shown, notes


def spans(notes: ClipNotes) -> list[tuple[int, int, str]]:
    return [(span.start, span.stop, span.reason) for span in notes.unfit]


def test_an_ordinary_clip_has_nothing_to_tell(tmp_path: Path):
    shown, notes = read(write_media(tmp_path / "a.mp4", picture=GRID, sound=[(0, tone(4))], codec="aac"))
    assert shown == list(range(100))
    assert list(notes.account.sentences()) == []
    assert notes.unfit == ()
    assert notes.account.read == 4


@pytest.mark.parametrize(
    ("name", "codec"), [("a.mpg", "mpeg2video"), ("a.ts", "libx264"), ("a.mkv", "libx264")]
)
def test_a_clock_that_starts_again_shows_every_picture_beside_its_sound(
    tmp_path: Path, name: str, codec: str
):
    # The first half has less sound than picture, the second begins with a beep beside its twentieth picture.
    sounds = [tone(1.2, rate=48_000), np.concatenate([np.zeros(38_400, np.float32), tone(1.2, rate=48_000)])]
    sound_codec = "pcm_s16le" if name == "a.mkv" else "mp2"
    parts = [
        write_media(
            tmp_path / f"{index}{name}",
            picture=GRID[:50],
            sound=[(0, samples_S)],
            codec=sound_codec,
            rate=48_000,
            picture_codec=codec,
        )
        for index, samples_S in enumerate(sounds)
    ]
    (tmp_path / name).write_bytes(b"".join(part.read_bytes() for part in parts))
    shown, notes = read(tmp_path / name)
    first, second = shown[:50], shown[50:]
    # As bright as they are, or nearly.
    np.testing.assert_allclose(first, range(50), atol=1)
    np.testing.assert_allclose(second[-40:], range(10, 50), atol=1)
    assert abs(len(shown) - 100) <= 1
    assert notes.account.parts.count == 1
    assert "starts again at 0:0" in next(iter(notes.account.sentences()))
    speech_S = read_speech(tmp_path / name).samples_S
    begin = next(
        k for k in range(len(speech_S) // 640) if k > 35 and np.abs(speech_S[640 * k :][:640]).max() > 0.2
    )
    assert abs(begin - (len(shown) - 30)) <= 1


def test_a_hole_in_the_picture_is_told_and_not_learnt_from(tmp_path: Path):
    times = [*GRID[:25], *(k / 25 for k in range(75, 100))]
    shown, notes = read(write_media(tmp_path / "a.mkv", picture=times))
    assert shown == [*range(25), *[24] * 25, *[25] * 25, *range(25, 50)][: len(shown)]
    assert spans(notes) == [(27, 73, Unfit.LOST)]
    assert notes.account.gaps.first == ((Fraction(1), Fraction(2)),)
    assert list(notes.account.sentences()) == ["the picture is missing for 2.0 s at 0:01.0"]


def test_a_picture_that_starts_late_is_missing_until_then(tmp_path: Path):
    late = [2 + time for time in GRID]
    _, notes = read(write_media(tmp_path / "a.mkv", picture=late, sound=[(0, tone(6))]))
    assert spans(notes) == [(0, 48, Unfit.LOST)]


def test_varying_rates_of_cameras_are_not_missing_pictures(tmp_path: Path):
    steps = np.random.default_rng(0).choice([1 / 30, 1 / 24, 1 / 15], 90)
    _, notes = read(write_media(tmp_path / "a.mkv", picture=list(np.cumsum(steps)), sound=[(0, tone(3))]))
    assert notes.unfit == ()
    assert not notes.account.gaps


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.ts", "a.avi"])
def test_damage_is_skipped_counted_and_placed(tmp_path: Path, name: str):
    codec = "mpeg4" if name == "a.avi" else "libx264"
    path = write_media(tmp_path / name, picture=GRID, picture_codec=codec)
    content = bytearray(path.read_bytes())
    start = len(content) // 2
    content[start : start + 900] = bytes(900)
    path.write_bytes(content)
    shown, notes = read(path)
    assert 97 <= len(shown) <= 100
    told = " ".join(notes.account.sentences())
    assert "damaged" in told or "missing" in told
    assert notes.unfit
    # It is over with the next key frame, or the next one after that.
    assert 30 < notes.unfit[0].start < 62
    assert notes.unfit[-1].stop < 85


def test_a_clip_of_which_much_is_damaged_is_refused_by_that_name(tmp_path: Path):
    path = write_media(tmp_path / "a.mp4", picture=GRID)
    content = bytearray(path.read_bytes())
    start = content.index(b"mdat") + 1200
    for position in range(start, len(content) - 2500, 120):
        content[position : position + 60] = bytes(60)
    path.write_bytes(content)
    with pytest.raises(SubjectError) as caught:
        list(read_frames(path))
    assert caught.value.code == "clip_damaged"
    assert "of 100 pictures are damaged" in caught.value.what
    assert caught.value.hint


@pytest.mark.parametrize(
    ("name", "options"), [("a.mp4", {"movflags": "+faststart"}), ("a.mkv", {}), ("a.flv", {}), ("a.avi", {})]
)
def test_a_clip_cut_short_is_read_as_far_as_it_goes_and_told(
    tmp_path: Path, name: str, options: dict[str, str]
):
    codec = "mpeg4" if name == "a.avi" else "libx264"
    path = write_media(tmp_path / name, picture=GRID, picture_codec=codec, options=options)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 6 // 10])
    shown, notes = read(path)
    assert 25 < len(shown) < 75
    assert "the file says that it holds 4.0 s of picture" in list(notes.account.sentences())[-1]


def test_frames_that_nothing_is_learnt_from_are_a_verdict():
    looks = Looks(width=64, height=64, frame_count=1000, looks=(), cuts=(), jumps=())
    for stop, level in ((0, Level.OK), (100, Level.WARNING), (600, Level.REFUSED)):
        unfit = (UnfitFrames(start=0, stop=stop, reason=Unfit.LOST),) if stop else ()
        verdicts = judge_looks(Looks(**{**vars_of(looks), "unfit": unfit}))
        assert next(each for each in verdicts if each.code == "damaged").level is level


def vars_of(looks: Looks) -> dict:
    return {
        name: getattr(looks, name) for name in ("width", "height", "frame_count", "looks", "cuts", "jumps")
    }
