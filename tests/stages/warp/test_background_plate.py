from __future__ import annotations

import cv2
import numpy as np
import pytest

from stages.warp.plate import BackgroundPlate

SIZE = 128


def background() -> np.ndarray:
    row, column = np.mgrid[:SIZE, :SIZE]
    return np.stack([40 + column, 60 + row, 255 - column], axis=-1).astype(np.uint8)


def filmed(
    places: list[int], *, behind: list[np.ndarray] | None = None, noise: float = 0.0
) -> tuple[np.ndarray, np.ndarray]:
    """A dark person, 40 px wide, at these columns before a background."""
    random = np.random.default_rng(0)
    pictures, masks = [], []
    for index, left in enumerate(places):
        picture = (behind[index] if behind else background()).astype(float)
        picture += random.normal(0, noise, picture.shape)
        mask = np.zeros((SIZE, SIZE), np.uint8)
        mask[30:, left : left + 40] = 255
        picture[mask > 0] = 10
        pictures.append(np.clip(np.round(picture), 0, 255).astype(np.uint8))
        masks.append(cv2.GaussianBlur(mask, (0, 0), 1.5))
    return np.stack(pictures), np.stack(masks)


@pytest.mark.parametrize("noise", [0.0, 2.0])
def test_what_was_seen_once_is_in_the_plate(noise: float):
    plate = BackgroundPlate.of(*filmed([10, 60, 75], noise=noise))
    error_SS3 = np.abs(plate.picture_SS3.astype(int) - background())
    assert error_SS3.max() <= max(1, 5 * noise)
    assert (plate.unseen, plate.is_still) == (0.0, True)


def test_what_was_never_seen_is_told_and_filled():
    plate = BackgroundPlate.of(*filmed([40, 44, 48]))
    # 32 columns are hidden in all of them, and up to 8 px more at either edge.
    assert 0.75 * 32 / SIZE < plate.unseen < 0.75 * 48 / SIZE
    hidden_SS3 = plate.picture_SS3[60:, 50:78].astype(int)
    assert np.abs(hidden_SS3 - background()[60:, 50:78]).mean() < 25
    assert hidden_SS3[..., 1].min() > 60


def test_nothing_of_the_person_stays_in_it():
    pictures, masks = filmed(list(range(5, 85, 5)))
    assert BackgroundPlate.of(pictures, masks).picture_SS3.min() > 30


@pytest.mark.parametrize("step", [3, 7])
def test_a_background_that_moves_is_told(step: int):
    wall = background()
    wall[:, ::16], wall[::16] = 0, 0
    behind = [np.roll(cv2.blur(wall, (5, 5)), step * index, axis=1) for index in range(8)]
    plate = BackgroundPlate.of(*filmed([10, 60] * 4, behind=behind))
    assert not plate.is_still


def test_a_dark_wall_with_one_bright_picture_that_moves_is_told():
    stripes = np.where(np.arange(SIZE) % 24 < 12, 220, 3).astype(np.uint8)[:, None].repeat(3, axis=1)
    behind = []
    for index in range(8):
        wall = np.full((SIZE, SIZE, 3), 3, np.uint8)
        for row in range(2, 26, 6):
            wall[row : row + 2] = np.roll(stripes, 3 * index, axis=0)
        behind.append(wall)
    still = BackgroundPlate.of(*filmed([10, 60] * 4, behind=[behind[0]] * 8))
    moved = BackgroundPlate.of(*filmed([10, 60] * 4, behind=behind))
    assert (still.is_still, moved.is_still) == (True, False)


def test_a_lamp_that_flickers_is_no_background_that_moves():
    behind = [background() for _ in range(8)]
    for index, picture in enumerate(behind):
        picture[:12, :12] = 255 * (index % 2)
    plate = BackgroundPlate.of(*filmed([10, 60] * 4, behind=behind))
    assert 0 < plate.restless < 0.05
    assert plate.is_still


def test_a_person_who_fills_the_picture_leaves_no_background():
    pictures = np.full((3, SIZE, SIZE, 3), 77, np.uint8)
    plate = BackgroundPlate.of(pictures, np.full((3, SIZE, SIZE), 255, np.uint8))
    assert (plate.unseen, plate.restless) == (1.0, 0.0)
    assert np.ptp(plate.picture_SS3) == 0
