from __future__ import annotations

import cv2
import numpy as np
import pytest
from posed_actor import PosedActor

from stages.warp.field import Field, Raster


def raster_of(actor: PosedActor, points_P2: np.ndarray | None = None, size: int = 256) -> Raster:
    points_P2 = actor.points() if points_P2 is None else points_P2
    return actor.control.raster(points_P2, depth_N=actor.mesh()[:, 2], size=size)


def centres(size: int = 256) -> np.ndarray:
    """(H, W, 2) centres of the field's pixels on the canvas."""
    line = (np.arange(size) + 0.5) * (512 / size)
    return np.stack(np.meshgrid(line, line), axis=-1)


def places(field: Field) -> np.ndarray:
    return np.stack([field.x_HW, field.y_HW], axis=-1) + 0.5


def psnr(one: np.ndarray, other: np.ndarray) -> float:
    return float(10 * np.log10(255**2 / ((one.astype(float) - other) ** 2).mean()))


def test_points_that_do_not_move_move_nothing(any_actor: PosedActor):
    field = raster_of(any_actor).field_from(any_actor.points())
    assert np.abs(places(field) - centres()).max() < 1e-2
    apart = np.abs(field.move(any_actor.reference_HW3).astype(int) - any_actor.reference_HW3)
    assert apart[1:-1, 1:-1].max() <= 1


@pytest.mark.parametrize(
    ("turn", "scale", "shift"), [(0.0, 1.0, (7.0, -3.0)), (0.2, 1.1, (0.0, 0.0)), (-0.5, 0.8, (-11.5, 20.25))]
)
def test_a_motion_that_is_linear_everywhere_is_found_exactly(
    actor: PosedActor, turn: float, scale: float, shift: tuple[float, float]
):
    rotation_22 = scale * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    points_P2 = ((actor.points() - 256) @ rotation_22.T + 256 + shift).astype(np.float32)
    field = raster_of(actor, points_P2).field_from(actor.points())
    wanted = (centres() - 256 - shift) @ np.linalg.inv(rotation_22).T + 256
    seen = np.zeros((256, 256), np.bool_)
    seen[8:-8, 8:-8] = raster_of(actor, points_P2).triangle_HW[8:-8, 8:-8] < len(actor.control.triangles_K3)
    apart = np.abs(places(field) - wanted)[seen].max(axis=-1)
    # A triangle that is seen from its edge has a pixel or none, and where in it that lies is left to rounding.
    assert np.count_nonzero(apart >= 0.02) <= 3
    assert apart.max() < 1.0


def test_a_picture_moved_there_and_back_is_the_picture(any_actor: PosedActor):
    head_7 = any_actor.head_7 + np.array([6, -5, 4, 8, 5, 0, 0.03], np.float32)
    there_HW3 = any_actor.frame(head_7)
    back = raster_of(any_actor).field_from(any_actor.points(head_7))
    face = slice(130, 380), slice(150, 360)
    assert psnr(there_HW3[face], any_actor.reference_HW3[face]) < 28
    assert psnr(back.move(there_HW3)[face], any_actor.reference_HW3[face]) > 34


def test_the_same_points_give_the_same_bytes(any_actor: PosedActor):
    head_7 = any_actor.heads(8)[5]
    assert np.array_equal(any_actor.frame(head_7), any_actor.frame(head_7))


def test_a_part_is_that_part_of_the_whole(actor: PosedActor):
    whole, source_P2 = raster_of(actor), actor.points(actor.heads(8)[5])
    rows, columns = slice(60, 190), slice(71, 180)
    part = whole.within(rows, columns).field_from(source_P2)
    field = whole.field_from(source_P2)
    assert np.array_equal(part.x_HW, field.x_HW[rows, columns])
    moved = part.move(actor.reference_HW3)
    inner = slice(2, -2), slice(2, -2)
    assert moved.shape == (260, 218, 3)
    assert np.array_equal(moved[inner], field.move(actor.reference_HW3)[120:380, 142:360][inner])


def test_a_smaller_picture_moves_alike(actor: PosedActor):
    field = raster_of(actor).field_from(actor.points(actor.heads(8)[5]))
    small_HW3 = cv2.resize(actor.reference_HW3, (256, 256), interpolation=cv2.INTER_AREA)
    large_HW3 = cv2.resize(field.move(actor.reference_HW3), (256, 256), interpolation=cv2.INTER_AREA)
    assert psnr(field.move(small_HW3), large_HW3) > 33


def test_a_triangle_as_thin_as_a_line_throws_no_pixel_far(actor: PosedActor):
    points_P2 = actor.points()
    corners = actor.control.triangles_K3[-1]
    points_P2[corners] = points_P2[corners].mean(axis=0)
    points_P2[corners, 0] += np.array([-9, 0, 9])
    field = raster_of(actor, points_P2).field_from(actor.points())
    assert np.linalg.norm(places(field) - centres(), axis=-1).max() < 30


def test_coordinates_far_outside_are_drawn_without_overflow(actor: PosedActor):
    points_P2 = actor.points() + np.float32(1e7)
    raster = raster_of(actor, points_P2)
    assert (raster.triangle_HW == len(actor.control.triangles_K3)).all()
    assert np.abs(places(raster.field_from(actor.points())) - centres()).max() < 1e-2
