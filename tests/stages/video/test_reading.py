from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from stages.errors import SubjectError
from stages.video.decoding import read_decoded, read_facts, read_frames

FPS = Fraction(25)


def numbered(count: int, height: int = 32, width: int = 48) -> list[np.ndarray]:
    """Flat grey frames whose level tells their number (one every 3 levels)."""
    return [np.full((height, width, 3), 20 + 3 * k, np.uint8) for k in range(count)]


def numbers(path: Path, fps: Fraction = FPS) -> list[int]:
    return [round((float(frame.mean()) - 20) / 3) for frame in read_frames(path, fps=fps)]


def test_a_clip_at_25_fps_is_read_frame_by_frame(write_clip):
    assert numbers(write_clip("a.mp4", numbered(30), fps=FPS)) == list(range(30))


@pytest.mark.parametrize(
    "fps", [Fraction(24), Fraction(30), Fraction(50), Fraction(60_000, 1001), Fraction(12), Fraction(10)]
)
def test_other_rates_show_the_nearest_frame(write_clip, fps: Fraction):
    found = numbers(write_clip("a.mkv", numbered(60), fps=fps))
    assert len(found) in {int(60 / fps * 25), int(60 / fps * 25) + 1}
    for index, number in enumerate(found):
        # Matroska stores milliseconds. The last frame stays on screen to its end.
        assert number == 59 or abs(number / fps - index / FPS) <= 1 / (2 * fps) + Fraction(1, 500)


def test_frames_at_irregular_times_are_put_on_the_grid(write_clip):
    times = [Fraction(k, 100) for k in (0, 4, 8, 21, 24)]
    assert numbers(write_clip("a.mp4", numbered(5), fps=FPS, times=times))[:7] == [0, 1, 2, 2, 3, 3, 4]


def test_a_picture_that_starts_after_the_sound_shows_its_first_frame_meanwhile(write_clip):
    times = [Fraction(k + 3, 25) for k in range(10)]
    path = write_clip("a.mkv", numbered(10), fps=FPS, times=times, sound_seconds=0.5)
    assert numbers(path) == [0, 0, 0, *range(10)]


@pytest.mark.parametrize("rotation", [0, 90, 180, -90])
def test_a_clip_is_turned_as_its_metadata_says(write_clip, rotation: int):
    frame = np.zeros((32, 48, 3), np.uint8)
    frame[:16, :24] = 250  # the upper left quarter is bright
    path = write_clip("a.mp4", [frame] * 3, fps=FPS, rotation=rotation)
    shown = next(read_frames(path))
    expected = np.rot90(frame, rotation // 90)
    assert shown.shape == expected.shape
    assert np.abs(shown.astype(int) - expected).mean() < 6
    facts = read_facts(path)
    assert (facts.height, facts.width) == expected.shape[:2]
    told = f"turned by {-rotation % 360} degrees clockwise" if rotation else ""
    assert facts.rendering.orientation.sentence() == told


@pytest.mark.parametrize("width", [48, 50, 450])
def test_frames_are_contiguous_and_each_its_own(write_clip, width: int):
    path = write_clip("a.mp4", numbered(3, width=width), fps=Fraction(10))
    frames = list(read_frames(path))
    assert all(frame.flags["C_CONTIGUOUS"] and frame.dtype == np.uint8 for frame in frames)
    before = frames[1].copy()
    frames[0][:] = 0
    np.testing.assert_array_equal(frames[1], before)


def test_colours_are_not_darkened_on_the_way(write_clip):
    colours = np.random.default_rng(0).integers(20, 235, (40, 1, 1, 3))
    frames = [np.broadcast_to(colour, (32, 32, 3)).astype(np.uint8) for colour in colours]
    found = np.array([frame.mean(axis=(0, 1)) for frame in read_frames(write_clip("a.mp4", frames, fps=FPS))])
    assert np.abs((found - colours[:, 0, 0]).mean(axis=0)).max() < 0.5


def test_frames_are_read_as_they_are_asked_for(data: Path):
    frames = read_frames(data / "actors" / "actor_b.mp4")
    assert next(frames).shape == (512, 512, 3)
    frames.close()


def test_facts_are_those_of_the_clip(write_clip):
    path = write_clip("a.mp4", numbered(30), fps=Fraction(30), sound_seconds=1.0)
    facts = read_facts(path)
    assert (facts.width, facts.height, facts.has_sound) == (48, 32, True)
    assert facts.fps == 30
    assert facts.duration == 1


def test_a_missing_clip_is_said_to_be_missing(tmp_path: Path):
    with pytest.raises(SubjectError) as caught:
        next(read_frames(tmp_path / "nobody.mp4"))
    assert caught.value.code == "clip_not_found"


def test_text_is_no_clip(tmp_path: Path):
    (tmp_path / "a.mp4").write_text("not a film\n" * 50)
    with pytest.raises(SubjectError) as caught:
        read_facts(tmp_path / "a.mp4")
    assert caught.value.code == "clip_not_media"


def test_sound_alone_is_no_clip(write_audio):
    path = write_audio("a.wav", np.zeros((8_000, 1)), rate=16_000, codec="pcm_s16le")
    for read in (read_facts, lambda clip: next(read_frames(clip))):
        with pytest.raises(SubjectError) as caught:
            read(path)
        assert caught.value.code == "clip_no_picture"


def test_an_error_of_the_reader_of_frames_passes_through_untouched(write_clip):
    frames = read_frames(write_clip("a.mp4", numbered(3), fps=FPS))
    next(frames)
    with pytest.raises(ZeroDivisionError):
        frames.throw(ZeroDivisionError())


def test_a_varying_rate_is_told_from_a_steady_one(write_clip):
    steady = write_clip("steady.mp4", numbered(20), fps=Fraction(30))
    times = [Fraction(k, 25) for k in range(10)] + [Fraction(k, 25) for k in range(12, 22)]
    varying = write_clip("varying.mp4", numbered(20), fps=FPS, times=times)
    assert not read_facts(steady).rate_varies
    assert read_facts(varying).rate_varies


def test_thumbnails_are_the_same_frames_shrunk(write_clip):
    path = write_clip("a.mp4", numbered(10), fps=FPS)
    small = [picture.thumbnail(size=8) for picture in read_decoded(path)]
    assert [frame.shape for frame in small] == [(8, 8, 3)] * 10
    assert [round((float(frame.mean()) - 20) / 3) for frame in small] == list(range(10))
