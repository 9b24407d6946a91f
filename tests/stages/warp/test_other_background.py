"""Another background behind a person: exact where it is alone, not on the person, and without a rim of the old one."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from stages.errors import SubjectError
from stages.warp.background import BackgroundChanger, read_background

BLUE, BROWN = np.array([30, 100, 150]), np.array([110, 75, 50])


def person_before(background_SS3: np.ndarray, *, soft_px: float = 1.2) -> tuple[np.ndarray, np.ndarray]:
    """A head with strands, before a background; and how much of each pixel is the person's, in truth."""
    share_SS = np.zeros((512, 512), dtype=np.uint8)
    cv2.circle(share_SS, (256, 256), 130, 255, -1, cv2.LINE_AA)
    for angle in np.linspace(0, 2 * np.pi, 40):
        end = (int(256 + 145 * np.cos(angle)), int(256 + 145 * np.sin(angle)))
        cv2.line(share_SS, (256, 256), end, 255, 2, cv2.LINE_AA)
    share_SS1 = cv2.GaussianBlur(share_SS, (0, 0), soft_px).astype(float)[..., None] / 255
    rng = np.random.default_rng(7)
    hair_SS3 = BROWN + rng.normal(0, 6, (512, 512, 1)) + 20 * np.sin(np.arange(512) / 9)[None, :, None]
    return np.clip(share_SS1 * hair_SS3 + (1 - share_SS1) * background_SS3, 0, 255), share_SS1[..., 0]


def plate() -> np.ndarray:
    slope_S = np.linspace(-25, 25, 512)
    return np.clip(BLUE + slope_S[None, :, None] + slope_S[:, None, None] / 2, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("colour", ["#f5f5f5", "#0c0c0e", "#00b140"])
@pytest.mark.parametrize("wider_px", [1, 5, 9])
def test_the_other_background_leaves_no_rim_of_the_old_one(colour: str, wider_px: int) -> None:
    """The mask is wider than the person by some pixels, as a segmenter's is."""
    old_SS3 = plate()
    picture_SS3, share_SS = person_before(old_SS3)
    other_SS3, told = read_background(colour)
    assert told == ()
    wide_SS = cv2.dilate((share_SS * 255).astype(np.uint8), np.ones((wider_px, wider_px), np.uint8))
    mask_SS = cv2.GaussianBlur(wide_SS, (0, 0), 1.5)
    changer = BackgroundChanger(plate_SS3=old_SS3, other_SS3=other_SS3)
    changed_SS3 = changer.change(np.rint(picture_SS3).astype(np.uint8), mask_SS).astype(float)
    wanted_SS3, _ = person_before(other_SS3.astype(float))
    left_SS3 = np.abs(changed_SS3 - wanted_SS3)
    assert (changed_SS3[:60] == other_SS3[:60]).all(), "far away it is the other background, exactly"
    assert left_SS3[196:316, 196:316].max() < 1, "the person is as they were"
    # What taking the mask at its word leaves along the edge, and what is left.
    kept_SS1 = mask_SS[..., None] / 255
    by_mask_SS3 = np.abs(picture_SS3 + (1 - kept_SS1) * (other_SS3 - old_SS3.astype(float)) - wanted_SS3)
    edge_SS = (share_SS > 0.02) & (share_SS < 0.98) | ((mask_SS > 8) & (share_SS < 0.02))
    assert left_SS3[edge_SS].mean() < 14
    if wider_px > 1:
        assert left_SS3[edge_SS].mean() < 0.5 * by_mask_SS3[edge_SS].mean()


def test_a_person_in_the_colour_of_what_is_behind_them_keeps_what_the_mask_gives() -> None:
    """As a grey pullover before a grey wall: nothing of it may become a hole."""
    old_SS3 = np.full((512, 512, 3), (150, 142, 132), dtype=np.uint8)
    noise_SS1 = np.random.default_rng(3).normal(0, 4, (512, 512, 1))
    share_SS = np.zeros((512, 512), dtype=np.uint8)
    cv2.circle(share_SS, (256, 256), 130, 255, -1)
    mask_SS = cv2.GaussianBlur(share_SS, (0, 0), 1.5)
    picture_SS3 = np.where(share_SS[..., None] > 0, old_SS3 + noise_SS1, old_SS3)
    changer = BackgroundChanger(plate_SS3=old_SS3, other_SS3=read_background("#00b140")[0])
    changed_SS3 = changer.change(np.rint(picture_SS3).astype(np.uint8), mask_SS)
    kept_SS1 = mask_SS[..., None] / 255
    by_mask_SS3 = picture_SS3 + (1 - kept_SS1) * (np.array([0, 177, 64]) - old_SS3.astype(float))
    assert np.abs(changed_SS3 - np.clip(by_mask_SS3, 0, 255)).max() < 12


def test_equal_pictures_give_equal_bytes() -> None:
    picture_SS3, share_SS = person_before(plate())
    changer = BackgroundChanger(plate_SS3=plate(), other_SS3=read_background("#ffffff")[0])
    arguments = np.rint(picture_SS3).astype(np.uint8), (share_SS * 255).astype(np.uint8)
    assert (changer.change(*arguments) == changer.change(*arguments)).all()


def test_a_picture_is_shown_by_the_square_in_its_middle(tmp_path: Path) -> None:
    picture_HW3 = np.zeros((300, 900, 3), dtype=np.uint8)
    picture_HW3[:, 300:600] = (10, 200, 30)
    Image.fromarray(picture_HW3).save(tmp_path / "wide.png")
    background_SS3, told = read_background(str(tmp_path / "wide.png"))
    assert background_SS3.shape == (512, 512, 3)
    assert (background_SS3[8:-8, 8:-8] == (10, 200, 30)).all()
    assert told == ("the square in its middle is shown",)


def test_what_is_no_picture_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(80))
    with pytest.raises(SubjectError) as caught:
        read_background(str(tmp_path / "a.png"))
    assert caught.value.code == "photo_damaged"
