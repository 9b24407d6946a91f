from __future__ import annotations

import numpy as np
import pytest

from stages.encode.colour import rgb_to_yuv420


def planes(frame: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    height, width = frame.shape[:2]
    packed = rgb_to_yuv420(frame)
    chroma = packed[height:].reshape(2, height // 2, width // 2)
    return packed[:height], chroma[0], chroma[1]


@pytest.mark.parametrize(
    ("rgb", "yuv"),
    [
        ((0, 0, 0), (16, 128, 128)),
        ((255, 255, 255), (235, 128, 128)),
        ((255, 0, 0), (63, 102, 240)),
        ((0, 255, 0), (173, 42, 26)),
        ((0, 0, 255), (32, 240, 118)),
        ((128, 128, 128), (126, 128, 128)),
    ],
    ids=["black", "white", "red", "green", "blue", "grey"],
)
def test_flat_colours_are_those_of_bt709(rgb, yuv):
    frame = np.broadcast_to(np.array(rgb, np.uint8), (8, 12, 3)).copy()
    for plane, value in zip(planes(frame), yuv, strict=True):
        np.testing.assert_array_equal(plane, value)


def test_luma_is_exact_to_half_a_level():
    frame = np.random.default_rng(1).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    exact = 16 + frame @ np.array([0.2126, 0.7152, 0.0722]) * 219 / 255
    assert np.abs(planes(frame)[0] - exact).max() < 0.51


def test_chroma_lies_on_even_columns_halfway_between_rows():
    frame = np.full((8, 8, 3), 100, np.uint8)
    frame[2, 4] = (100, 100, 200)
    blue = planes(frame)[1].astype(int) - 128
    # Half of the sample on its column, none on the next: the filter reaches one pixel to each side.
    assert np.argwhere(blue).tolist() == [[1, 2]]
    frame = np.full((8, 8, 3), 100, np.uint8)
    frame[2, 5] = (100, 100, 200)
    blue = planes(frame)[1].astype(int) - 128
    assert blue[1, 2] == blue[1, 3] > 0


def test_no_sum_overflows():
    for corner in np.ndindex(2, 2, 2):
        frame = np.broadcast_to(np.array(corner, np.uint8) * 255, (4, 4, 3)).copy()
        luma, blue, red = planes(frame)
        assert 16 <= luma.min() <= luma.max() <= 235
        assert 16 <= min(blue.min(), red.min()) <= max(blue.max(), red.max()) <= 240
