"""Clips whose pictures change, are enormous, or stand still for years."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from stages.errors import SubjectError
from stages.video.decoding import read_facts, read_frames

FPS = Fraction(25)


def grey(count: int, *, height: int = 32, width: int = 48) -> list[np.ndarray]:
    return [np.full((height, width, 3), 90, np.uint8)] * count


def refusal(path: Path) -> SubjectError:
    with pytest.raises(SubjectError) as caught:
        list(read_frames(path))
    assert caught.value.where == str(path)
    assert caught.value.hint
    return caught.value


@pytest.mark.parametrize("seconds", [61, 10**6])
def test_a_picture_that_stands_still_for_a_minute_is_a_gap(write_clip, seconds: int):
    times = [Fraction(0), 1 / FPS, Fraction(seconds)]
    error = refusal(write_clip("a.mkv", grey(3), fps=FPS, times=times))
    assert error.code == "clip_gap"
    assert error.what.startswith("after 0.0 s")


def test_a_picture_may_stand_still_for_some_seconds(write_clip):
    times = [Fraction(0), Fraction(10)]
    assert len(list(read_frames(write_clip("a.mkv", grey(2), fps=FPS, times=times)))) == 251


def test_a_picture_that_begins_years_after_the_sound_is_a_gap(write_clip):
    times = [Fraction(10**6), Fraction(10**6) + 1]
    path = write_clip("a.mkv", grey(2), fps=FPS, times=times, sound_seconds=0.5)
    assert refusal(path).code == "clip_gap"


def test_a_last_frame_of_a_rate_that_is_none_is_not_shown_for_days(write_clip):
    path = write_clip("a.mkv", grey(1), fps=Fraction(1, 100_000))
    assert len(list(read_frames(path))) <= 60 * 25


def test_a_picture_that_changes_its_size_is_refused(tmp_path: Path, write_clip):
    parts = [write_clip(f"{size}.h264", grey(5, height=size), fps=FPS).read_bytes() for size in (32, 64)]
    (tmp_path / "a.h264").write_bytes(b"".join(parts))
    assert refusal(tmp_path / "a.h264").code == "clip_changing_size"


@pytest.mark.parametrize(
    ("shape", "is_refused"), [((16, 15), True), ((4, 3), True), ((1, 1), False), ((136, 135), False)]
)
def test_pixels_that_are_not_square_are_refused(tmp_path: Path, shape: tuple[int, int], is_refused: bool):
    """A face would be judged, and learned, squeezed."""
    path = tmp_path / "a.mp4"
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=FPS)
        stream.width, stream.height, stream.pix_fmt = 48, 32, "yuv420p"
        stream.codec_context.sample_aspect_ratio = Fraction(*shape)
        for pixels in grey(3):
            out.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        out.mux(stream.encode(None))
    if is_refused:
        assert refusal(path).code == "clip_pixel_shape"
        with pytest.raises(SubjectError):
            read_facts(path)
    else:
        assert len(list(read_frames(path))) == 3


def test_a_picture_larger_than_any_cameras_is_not_decoded(tmp_path: Path):
    path = tmp_path / "a.mov"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("png", rate=25)
        stream.width, stream.height, stream.pix_fmt = 16, 16, "gray"
        frame = av.VideoFrame.from_ndarray(np.zeros((16, 16), np.uint8), format="gray")
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    data = path.read_bytes()
    small = b"IHDR" + (16).to_bytes(4, "big") * 2
    assert small in data
    path.write_bytes(data.replace(small, b"IHDR" + (30_000).to_bytes(4, "big") * 2))
    for read in (read_facts, lambda clip: list(read_frames(clip))):
        with pytest.raises(SubjectError) as caught:
            read(path)
        assert caught.value.code in {"clip_too_large", "clip_damaged", "clip_no_picture"}


def test_a_codec_that_nobody_knows_is_no_clip(write_clip):
    path = write_clip("a.mp4", grey(3), fps=FPS)
    data = path.read_bytes()
    assert data.count(b"avc1") == 2  # a brand of the file, and the codec
    path.write_bytes(data[::-1].replace(b"1cva", b"1zzz", 1)[::-1])
    assert refusal(path).code == "clip_not_media"


def test_a_bare_stream_is_a_clip_too(write_clip):
    path = write_clip("a.h264", grey(7), fps=FPS)
    facts = read_facts(path)
    assert (facts.width, facts.height, facts.rate_varies) == (48, 32, False)
    assert len(list(read_frames(path))) == 7
