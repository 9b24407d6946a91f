from __future__ import annotations

import cv2
import numpy as np
import pytest
from made_library import made_references
from posed_actor import PosedActor

from stages.warp.contours import Contour
from stages.warp.field import Raster
from stages.warp.frame_warp import FrameWarp

FINER = 4


def turned(actor: PosedActor, yaw: float) -> np.ndarray:
    return actor.head_7 + np.array([yaw, -4, 2, 0, 0, 0, 0], np.float32)


def warp_of(actor: PosedActor, head_7: np.ndarray) -> FrameWarp:
    return FrameWarp.of(actor.control, actor.points(head_7), depth_N=actor.mesh(head_7)[:, 2])


def layer_of(actor: PosedActor) -> np.ndarray:
    layer_SS4: np.ndarray = made_references(actor).opened().layers_RSS4[0]
    return layer_SS4


def finely_moved(actor: PosedActor, head_7: np.ndarray, layer_SS4: np.ndarray) -> np.ndarray:
    """The layer with each pixel made of many samples, as a camera's is."""
    raster: Raster = actor.control.raster(
        actor.points(head_7), depth_N=actor.mesh(head_7)[:, 2], size=512 * FINER
    )
    field = raster.field_from(actor.points())
    fine = cv2.remap(layer_SS4, field.x_HW, field.y_HW, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return cv2.resize(fine, (512, 512), interpolation=cv2.INTER_AREA)


def wrong_pixels(mask_SS: np.ndarray, wanted_SS: np.ndarray) -> int:
    """How many are a quarter of the person off."""
    return int((np.abs(mask_SS.astype(int) - wanted_SS) > 64).sum())


@pytest.mark.parametrize("yaw", [-30, -22, 22, 30])
def test_the_outline_of_a_turned_head_has_no_stairs(any_actor: PosedActor, yaw: float):
    head_7, layer_SS4 = turned(any_actor, yaw), layer_of(any_actor)
    wanted_SS = finely_moved(any_actor, head_7, layer_SS4)[..., 3]
    warp = warp_of(any_actor, head_7)
    coarse = warp.raster.field_from(any_actor.points()).move(layer_SS4)
    # What the field alone would show, so that there is something to mend.
    assert wrong_pixels(coarse[..., 3], wanted_SS) > 3
    assert wrong_pixels(warp.move(layer_SS4, source_P2=any_actor.points())[..., 3], wanted_SS) == 0


def test_a_part_has_the_same_outline(any_actor: PosedActor):
    warp, layer_SS4 = warp_of(any_actor, turned(any_actor, 20)), layer_of(any_actor)
    whole = warp.move(layer_SS4, source_P2=any_actor.points())
    rows, columns = slice(60, 220), slice(141, 230)
    part = warp.within(rows, columns).move(layer_SS4, source_P2=any_actor.points())
    inner = slice(2, -2), slice(2, -2)
    assert np.array_equal(part[inner], whole[120:440, 282:460][inner])
    assert warp.within(slice(0, 4), slice(0, 4)).contour is None


def test_only_pixels_about_such_edges_change(actor: PosedActor):
    warp, layer_SS4 = warp_of(actor, turned(actor, 20)), layer_of(actor)
    assert warp.contour is not None
    near_SS = np.zeros((512, 512), np.bool_)
    near_SS[warp.contour.row_L, warp.contour.column_L] = True
    coarse = warp.raster.field_from(actor.points()).move(layer_SS4)
    changed_SS = (warp.move(layer_SS4, source_P2=actor.points()) != coarse).any(axis=-1)
    assert changed_SS.any()
    assert not (changed_SS & ~near_SS).any()
    assert near_SS.mean() < 0.03


def test_a_face_far_outside_has_no_outline(actor: PosedActor):
    points_P2 = actor.points() + np.float32(1e7)
    raster = actor.control.raster(points_P2, depth_N=actor.mesh()[:, 2])
    assert Contour.of(raster, actor.control.face_edges, depth_N=actor.mesh()[:, 2]) is None


def test_a_face_in_disorder_is_drawn(actor: PosedActor):
    """Edges all over the picture: more pixels than cv2 takes in a row."""
    rng = np.random.default_rng(3)
    points_P2 = rng.uniform(0, 512, actor.points().shape).astype(np.float32)
    warp = FrameWarp.of(actor.control, points_P2, depth_N=rng.uniform(0, 50, 478).astype(np.float32))
    assert warp.contour is not None
    assert len(warp.contour.row_L) > 1 << 16
    assert warp.move(layer_of(actor), source_P2=actor.points()).shape == (512, 512, 4)


@pytest.mark.parametrize("yaw", [-45, -20, 20, 45])
def test_no_triangle_of_the_face_is_seen_from_behind(any_actor: PosedActor, yaw: float):
    head_7 = turned(any_actor, yaw)
    raster = any_actor.control.raster(any_actor.points(head_7), depth_N=any_actor.mesh(head_7)[:, 2])
    assert raster.turned_share < 0.0005
