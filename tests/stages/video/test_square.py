"""Squares that are cut before conversion are those of the whole picture. Legend: H/W pixels, 3 = RGB."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from stages.video.decoding import read_decoded, read_frames
from stages.video.square import SquareReader

FPS = Fraction(25)
WIDTH, HEIGHT = 98, 130


def noise(count: int = 3) -> list[np.ndarray]:
    """Frames in which every misplaced pixel shows."""
    random = np.random.default_rng(5)
    coarse_THW3 = random.integers(0, 256, (count, HEIGHT // 2, WIDTH // 2, 3), dtype=np.uint8)
    return list(coarse_THW3.repeat(2, axis=1).repeat(2, axis=2))


@pytest.mark.parametrize("pixel_format", ["yuv420p", "yuv444p"])
@pytest.mark.parametrize(("left", "top", "side"), [(0, 0, 98), (17, 41, 33), (78, 110, 20), (3, 2, 95)])
def test_a_square_has_the_pixels_of_the_whole_picture(
    write_clip, pixel_format: str, left: int, top: int, side: int
):
    clip = write_clip("a.mp4", noise(), fps=FPS, pixel_format=pixel_format)
    reader = SquareReader(left=left, top=top, side=side)
    squares = [reader.read(frame) for frame in read_decoded(clip)]
    wholes = [frame_HW3[top : top + side, left : left + side] for frame_HW3 in read_frames(clip)]
    assert len(squares) == 3
    for square_HW3, whole_HW3 in zip(squares, wholes, strict=True):
        np.testing.assert_array_equal(square_HW3, whole_HW3)
        assert square_HW3.flags.c_contiguous


@pytest.mark.parametrize("rotation", [90, 180, -90])
def test_the_square_of_a_turned_recording_lies_in_the_upright_picture(write_clip, rotation: int):
    clip = write_clip("a.mp4", noise(), fps=FPS, rotation=rotation)
    reader = SquareReader(left=11, top=7, side=60)
    wholes = list(read_frames(clip))
    assert wholes[0].shape[:2] == ((HEIGHT, WIDTH) if rotation == 180 else (WIDTH, HEIGHT))
    for frame, whole_HW3 in zip(read_decoded(clip), wholes, strict=True):
        np.testing.assert_array_equal(reader.read(frame), whole_HW3[7:67, 11:71])
