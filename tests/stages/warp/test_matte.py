from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import pytest

from stages.warp.matte import whole_masks
from stages.warp.plate import BackgroundPlate

SIZE = 192
BODY, HAIR = (70, 120), 14
SWAYS = (0, 4, -5, 9, -8, 2, -2, 6)
"""Columns of a body at rest, and how far hair reaches beyond it on either side."""


def wall() -> np.ndarray:
    row, column = np.mgrid[:SIZE, :SIZE]
    return np.stack([60 + row // 2, 90 + column // 3, np.full_like(row, 120)], axis=-1).astype(np.uint8)


def filmed(
    *, noise: float = 1.0, light: float = 0.0, hair: int = HAIR, sways: Sequence[int] = SWAYS
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A person who sways, masks in which the hair is missing more often than not, and masks as they should be."""
    random = np.random.default_rng(0)
    strands = random.integers(15, 60, (SIZE, SIZE + 40, 1), dtype=np.uint8).repeat(3, axis=2)
    pictures, masks, truths = [], [], []
    for index, sway in enumerate(sways):
        picture = wall().astype(np.float32) + light * (index % 2)
        left, right = BODY[0] + sway, BODY[1] + sway
        truth, mask = np.zeros((2, SIZE, SIZE), np.uint8)
        truth[60:, left - hair : right + hair] = 255
        mask[60:, left:right] = 255
        picture[60:, left - hair : right + hair] = strands[60:, 20 : right - left + 2 * hair + 20]
        picture[60:, left:right] = (200, 150, 130)
        if index % 3 == 0:
            mask[60:, left - hair : left] = mask[60:, right : right + hair] = 90
        pictures.append(picture + random.normal(0, noise, picture.shape))
        masks.append(cv2.GaussianBlur(mask, (0, 0), 1.0))
        truths.append(truth)
    return np.clip(np.round(np.stack(pictures)), 0, 255).astype(np.uint8), np.stack(masks), np.stack(truths)


@pytest.mark.parametrize("noise", [0.5, 2.5])
@pytest.mark.parametrize("light", [0.0, 6.0])
def test_hair_that_a_segmenter_left_out_is_the_persons(noise: float, light: float):
    pictures, masks, truths = filmed(noise=noise, light=light)
    found = whole_masks(pictures, masks)
    inner = np.stack([cv2.erode(truth, np.ones((5, 5), np.uint8)) for truth in truths]) > 0
    outside = np.stack([cv2.dilate(truth, np.ones((7, 7), np.uint8)) for truth in truths]) == 0
    assert (masks[inner] > 200).mean() < 0.75
    assert (found[inner] > 200).mean() > 0.93
    assert (found[outside] > 20).mean() < 0.002


def test_nothing_that_was_the_persons_is_taken_away():
    pictures, masks, _ = filmed()
    assert (whole_masks(pictures, masks) >= masks).all()


def test_hair_is_not_in_the_plate():
    pictures, masks, truths = filmed()
    plate = BackgroundPlate.of(pictures, whole_masks(pictures, masks))
    seen_SS = (truths == 0).sum(axis=0) >= 3
    assert np.abs(plate.picture_SS3.astype(int) - wall())[seen_SS].max() < 12


def test_what_differs_far_from_the_person_is_not_theirs():
    pictures, masks, _ = filmed()
    pictures[2:4, 20:30, 160:180] = 255
    assert whole_masks(pictures, masks)[:, :40, 150:].max() == 0


def test_what_differs_beside_the_person_and_does_not_touch_them_is_not_theirs():
    pictures, masks, truths = filmed()
    pictures[2:4, 100:120, 160:168] = 255
    assert truths[2:4, 100:120, 146:].max() == 0
    assert whole_masks(pictures, masks)[2:4, 100:120, 155:].max() < 20


def test_hair_that_falls_far_from_the_body_is_the_persons():
    pictures, masks, truths = filmed(hair=32, sways=range(-13, 14))
    found = whole_masks(pictures, masks)
    inner = np.stack([cv2.erode(truth, np.ones((5, 5), np.uint8)) for truth in truths]) > 0
    assert (found[inner] > 200).mean() > 0.9


def test_what_hangs_from_the_person_is_theirs():
    pictures, masks, _ = filmed(hair=0, sways=range(-13, 14))
    for picture, sway in zip(pictures, range(-13, 14), strict=True):
        picture[100:112, BODY[1] + sway + 6 : BODY[1] + sway + 13] = 30
    found = whole_masks(pictures, masks)
    hung = [
        (mask[103:109, BODY[1] + sway + 8 : BODY[1] + sway + 11] > 128).all()
        for mask, sway in zip(found, range(-13, 14), strict=True)
    ]
    # Where it hides the wall as often as not, nobody knows which of both hangs there.
    assert np.mean(hung) > 0.8
    assert (masks[:, 103:109, BODY[1] + 24 :] < 128).all()


def test_specks_near_the_person_are_not_theirs():
    pictures, masks, _ = filmed()
    pictures[3, 50:52, 90:92] = 255
    assert whole_masks(pictures, masks)[3, 48:54, 88:94].max() < 40


def test_before_a_background_that_moves_masks_stay():
    pictures, masks, _ = filmed()
    shuffled = np.random.default_rng(1).permutation
    moving = np.stack([shuffled(picture) for picture in pictures])
    assert np.array_equal(whole_masks(moving, masks), masks)
