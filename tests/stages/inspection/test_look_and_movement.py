"""Colours, sharpness and movement of pictures. Legend: T frames, H/W pixels, 3 = RGB or (x, y, z)."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from average_actor import average_template

from stages.geometry.canonical import CANVAS
from stages.inspection.look import LOOK_CELLS, colour_difference, face_box, face_sharpness, look_of
from stages.inspection.movement import MovementWatch

MESH_N3 = average_template().mesh_N3
SIZE = 128


def picture(mesh_N3: np.ndarray, *, skin: int = 180) -> np.ndarray:
    """A disc for a face, with dots where the mesh has its points."""
    frame_HW3 = np.full((SIZE, SIZE, 3), 40, dtype=np.uint8)
    points_N2 = mesh_N3[:, :2] * SIZE / CANVAS
    centre = tuple(int(value) for value in points_N2.mean(axis=0))
    cv2.circle(frame_HW3, centre, 34, (skin, skin - 40, skin - 60), -1)
    for x, y in points_N2[::7]:
        cv2.circle(
            frame_HW3, (round(16 * float(x)), round(16 * float(y))), 16, (20, 20, 20), -1, cv2.LINE_AA, 4
        )
    return frame_HW3


def shifted(px: float) -> np.ndarray:
    return MESH_N3 + np.array([px, 0, 0], dtype=np.float32)


def test_a_look_moves_with_the_head_and_tells_another_skin() -> None:
    own_LL3 = look_of(picture(MESH_N3), MESH_N3)
    assert own_LL3.shape == (LOOK_CELLS, LOOK_CELLS, 3)
    moved = colour_difference(look_of(picture(shifted(24)), shifted(24)), own_LL3)
    other = colour_difference(look_of(picture(MESH_N3, skin=110), MESH_N3), own_LL3)
    assert moved < 6 < 10 < other


def test_a_look_is_nearly_the_same_at_another_size() -> None:
    large_HW3 = cv2.resize(picture(MESH_N3), (2 * SIZE, 2 * SIZE), interpolation=cv2.INTER_CUBIC)
    assert colour_difference(look_of(large_HW3, MESH_N3), look_of(picture(MESH_N3), MESH_N3)) < 3


def test_a_blurred_face_is_less_sharp_and_noise_is_sharper() -> None:
    frame_HW3 = picture(MESH_N3)
    sharp = face_sharpness(frame_HW3, MESH_N3)
    noise_HW3 = np.random.default_rng(0).integers(0, 256, frame_HW3.shape, dtype=np.uint8)
    assert face_sharpness(cv2.GaussianBlur(frame_HW3, (0, 0), 2.0), MESH_N3) < 0.3 * sharp
    assert face_sharpness(noise_HW3, MESH_N3) > 3 * sharp


@pytest.mark.parametrize("offset", [-2000.0, 2000.0])
def test_a_face_outside_the_picture_is_measured_without_an_error(offset: float) -> None:
    frame_HW3, mesh_N3 = picture(MESH_N3), shifted(offset)
    rows, columns = face_box(mesh_N3, size=SIZE)
    assert frame_HW3[rows, columns].size > 0
    assert face_sharpness(frame_HW3, mesh_N3) >= 0
    assert np.isfinite(look_of(frame_HW3, mesh_N3)).all()


def watched(frames: list[np.ndarray], meshes: list[np.ndarray]) -> MovementWatch:
    watch = MovementWatch(np.stack(meshes))
    for frame_HW3 in frames:
        watch.look_at(frame_HW3)
    return watch


def test_a_face_that_follows_is_not_frozen_and_its_response_does_not_hang_on_the_pace() -> None:
    slow, fast = ([shifted(step * frame) for frame in range(8)] for step in (2.0, 4.0))
    at_slow, at_fast = (watched([picture(mesh) for mesh in meshes], meshes) for meshes in (slow, fast))
    assert at_slow.frozen_frames == at_slow.black_frames == at_fast.frozen_frames == 0
    assert at_slow.picture_response is not None
    assert at_fast.picture_response == pytest.approx(at_slow.picture_response, rel=0.4)


def test_pictures_that_stand_still_are_counted_where_the_face_was_commanded_to_move() -> None:
    meshes = [shifted(2.0 * frame) for frame in range(8)]
    watch = watched([picture(meshes[0])] * 5 + [picture(mesh) for mesh in meshes[5:]], meshes)
    assert watch.frozen_frames == 4


def test_pictures_of_a_face_that_is_to_stay_still_are_not_frozen() -> None:
    watch = watched([picture(MESH_N3)] * 6, [MESH_N3] * 6)
    assert watch.frozen_frames == 0
    assert watch.picture_response is None


def test_pictures_that_flicker_but_do_not_follow_have_a_low_response() -> None:
    meshes = [shifted(3.0 * frame) for frame in range(10)]
    noise = np.random.default_rng(1)
    still_HW3 = picture(meshes[0])
    flicker = [still_HW3 + noise.integers(0, 2, still_HW3.shape, dtype=np.uint8) for _ in meshes]
    follows = watched([picture(mesh) for mesh in meshes], meshes).picture_response
    flickers = watched(flicker, meshes).picture_response
    assert follows is not None
    assert flickers is not None
    assert flickers < 0.3 * follows


def test_black_pictures_are_counted() -> None:
    dark_HW3 = np.full((SIZE, SIZE, 3), 3, dtype=np.uint8)
    watch = watched([picture(MESH_N3), dark_HW3, dark_HW3], [MESH_N3] * 3)
    assert watch.black_frames == 2
