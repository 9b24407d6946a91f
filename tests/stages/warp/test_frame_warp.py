from __future__ import annotations

import cv2
import numpy as np
import pytest
from posed_actor import PosedActor

from stages.warp.frame_warp import FrameWarp


def shoulders(line_T2: np.ndarray) -> np.ndarray:
    """A layer (S, S, 4) of a body below a line, which goes on beyond the picture as it fell before."""
    ends = [
        line_T2[end] + (line_T2[end] - line_T2[inner]) * 100 / abs(line_T2[end, 0] - line_T2[inner, 0])
        for end, inner in ((0, 2), (-1, -3))
    ]
    polygon = np.concatenate([ends[:1], line_T2, ends[1:], [(700, 900), (-200, 900)]])
    layer_SS4 = np.zeros((512, 512, 4), np.uint8)
    cv2.fillPoly(
        layer_SS4, [np.round((polygon - 0.5) * 16).astype(np.int32)], (90, 90, 90, 255), cv2.LINE_AA, 4
    )
    return layer_SS4


def outline(mask_SS: np.ndarray, columns: slice) -> np.ndarray:
    """Rows above which there is no body."""
    return np.asarray(512 - (mask_SS[:, columns] / 255.0).sum(axis=0))


@pytest.mark.parametrize("sideways", [-16.0, 16.0])
def test_a_body_that_sways_has_no_step_at_the_side_of_the_picture(any_actor: PosedActor, sideways: float):
    torso_18x3 = any_actor.torso_18x3 + np.array([sideways, 0, 0], np.float32)
    source_P2 = any_actor.points()
    layer_SS4 = shoulders(any_actor.torso_18x3[:, :2])
    points_P2 = any_actor.points(torso_18x3=torso_18x3)
    warp = FrameWarp.of(any_actor.control, points_P2, depth_N=any_actor.mesh()[:, 2])
    columns = slice(0, 14) if sideways > 0 else slice(498, 512)
    wanted = outline(shoulders(torso_18x3[:, :2])[..., 3], columns)
    repeated = outline(warp.raster.field_from(source_P2).move(layer_SS4)[..., 3], columns)
    moved = outline(warp.move(layer_SS4, source_P2=source_P2)[..., 3], columns)
    # What lies beyond the picture, repeated from its border, would be a shelf.
    shelf, apart = (float(np.abs(each - wanted).max()) for each in (repeated, moved))
    assert shelf > 5
    assert apart < max(2.0, shelf / 3)


def test_a_body_that_rises_goes_on_below_the_picture(actor: PosedActor):
    layer_SS4 = shoulders(actor.torso_18x3[:, :2])
    stripes_S = (np.arange(512) // 2 % 2 * 200).astype(np.uint8)
    layer_SS4[..., :3] = stripes_S[:, None, None]
    points_P2 = actor.points(torso_18x3=actor.torso_18x3 - np.array([0, 14, 0], np.float32))
    warp = FrameWarp.of(actor.control, points_P2, depth_N=actor.mesh()[:, 2])
    repeated = warp.raster.field_from(actor.points()).move(layer_SS4)[-8:, 40:60, 0]
    moved = warp.move(layer_SS4, source_P2=actor.points())[-8:, 40:60, 0]
    assert repeated.std(axis=0).max() < 5
    assert moved.std(axis=0).min() > 50


def test_a_body_that_does_not_move_is_as_it_was(any_actor: PosedActor):
    warp = FrameWarp.of(any_actor.control, any_actor.points(), depth_N=any_actor.mesh()[:, 2])
    layer_SS4 = shoulders(any_actor.torso_18x3[:, :2])
    apart = np.abs(warp.move(layer_SS4, source_P2=any_actor.points()).astype(int) - layer_SS4)
    assert apart[1:-1, 1:-1].max() <= 3
