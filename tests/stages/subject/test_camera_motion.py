"""A camera on a stand, in a hand, that pans and that zooms, before walls, leaves and nothing at all."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from stages.subject.camera_motion import BackgroundFollower, CameraMotion, MotionKind

LOOKS = 15
SIZE = 512


def wall(seed: int = 0, *, size: int = 800) -> np.ndarray:
    """A picture with detail of many sizes."""
    random = np.random.default_rng(seed)
    layers = [
        cv2.resize(random.normal(size=(cells, cells)), (size, size), interpolation=cv2.INTER_CUBIC)
        for cells in (8, 25, 80)
    ]
    picture_HW = np.clip(128 + 25 * sum(layers), 0, 255).astype(np.uint8)
    return np.repeat(picture_HW[..., None], 3, axis=2)


def seen(picture_HW3: np.ndarray, *, x: float = 0, y: float = 0, zoom: float = 1) -> np.ndarray:
    """What a camera sees of a wall."""
    middle = picture_HW3.shape[0] / 2
    matrix = np.array([[zoom, 0, SIZE / 2 + x - zoom * middle], [0, zoom, SIZE / 2 + y - zoom * middle]])
    return cv2.warpAffine(picture_HW3, matrix, (SIZE, SIZE), flags=cv2.INTER_LINEAR)


def motion(backgrounds: list[np.ndarray], *, noise: float = 2.0) -> CameraMotion:
    """Of a camera with noise, before which somebody in a checked shirt sways."""
    follower = BackgroundFollower()
    noise_HW3 = np.random.default_rng(1).normal(scale=noise, size=(SIZE, SIZE, 3)).astype(np.float32)
    shirt_HW3 = wall(9)[:SIZE, :SIZE]
    for look, background_HW3 in enumerate(backgrounds):
        person_HW = np.zeros((SIZE, SIZE), np.float32)
        sway = round(20 * np.sin(look))
        cv2.ellipse(person_HW, (256 + sway, 460), (130, 330), 0, 0, 360, 1.0, -1)
        shown_HW3 = np.where(person_HW[..., None] > 0, np.roll(shirt_HW3, sway, axis=1), background_HW3)
        noisy_HW3 = shown_HW3 + np.roll(noise_HW3, (37 * look, 101 * look), axis=(0, 1))
        follower.add(np.clip(noisy_HW3, 0, 255).astype(np.uint8), person_HW)
    return CameraMotion.of(follower.places())


def test_a_camera_on_a_stand_is_still():
    found = motion([seen(wall())] * LOOKS)
    assert found.told_share == 1
    assert found.moved_px < 0.3


def test_a_pan_is_told_from_end_to_end():
    found = motion([seen(wall(), x=60 * look / (LOOKS - 1)) for look in range(LOOKS)])
    assert found.kind is MotionKind.PAN
    assert found.pan_px == pytest.approx(52, rel=0.15), "the first and last second are smoothed"
    assert found.moved_px == pytest.approx(29, rel=0.1)


def test_a_pan_beyond_everything_that_was_in_view_at_first_is_followed():
    picture_HW3 = wall(size=2400)
    found = motion([seen(picture_HW3, x=35 * (look - 7)) for look in range(LOOKS)])
    assert found.told_share == 1
    assert found.pan_px == pytest.approx(35 * (LOOKS - 1), rel=0.2)


def test_a_zoom_is_told_from_a_pan():
    found = motion([seen(wall(), zoom=1 + 0.3 * look / LOOKS) for look in range(LOOKS)])
    assert found.kind is MotionKind.ZOOM
    assert found.moved_px > 10


def test_a_camera_in_a_hand_shakes():
    random = np.random.default_rng(0)
    found = motion([seen(wall(), x=random.normal(scale=5), y=random.normal(scale=5)) for _ in range(LOOKS)])
    assert found.kind is MotionKind.SHAKE
    assert 3 < found.shake_px < 10
    assert found.moved_px > 6


@pytest.mark.parametrize("noise", [0.0, 3.0])
def test_before_a_blank_wall_nothing_can_be_told(noise: float):
    found = motion([np.full((SIZE, SIZE, 3), 128, np.uint8)] * LOOKS, noise=noise)
    assert found == CameraMotion()


def test_a_crowd_has_no_common_motion():
    random, frames = np.random.default_rng(0), []
    picture_HW3, places = wall(), np.zeros((64, 2))
    corners = random.integers(100, 600, size=(64, 2))
    for _ in range(LOOKS):
        places += random.normal(scale=4, size=places.shape)
        tiles = [picture_HW3[y : y + 64, x : x + 64] for y, x in corners + np.rint(places).astype(int)]
        frames.append(np.vstack([np.hstack(tiles[row : row + 8]) for row in range(0, 64, 8)]))
    assert motion(frames).told_share < 0.2


def test_what_comes_after_a_moment_of_nothing_is_measured_by_itself():
    still_HW3, blank_HW3 = seen(wall()), np.full((SIZE, SIZE, 3), 128, np.uint8)
    found = motion([still_HW3] * 7 + [blank_HW3] * 2 + [seen(wall(), x=40)] * 7)
    assert found.told_share == pytest.approx(14 / 16)
    assert found.moved_px < 0.3


def test_a_clip_of_less_than_a_second_tells_nothing():
    assert motion([seen(wall())] * 4) == CameraMotion()
