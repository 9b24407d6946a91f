from __future__ import annotations

import itertools

import cv2
import numpy as np
import pytest
from posed_actor import PosedActor

from stages.geometry.landmarks import MESH_SIZE
from stages.warp.control_mesh import ControlMesh, face_triangles
from stages.warp.folds import signed_areas

CHIN = 152


def turned_over(control: ControlMesh, points_P2: np.ndarray) -> int:
    return int((signed_areas(points_P2, control.triangles_K3[: control.surroundings]) > 0).sum())


def swayed(torso_18x3: np.ndarray, x: float, y: float, turn: float) -> np.ndarray:
    centre_2 = torso_18x3[:, :2].mean(axis=0)
    rotation_22 = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    moved = torso_18x3.copy()
    moved[:, :2] = (torso_18x3[:, :2] - centre_2) @ rotation_22.T + centre_2 + (x, y)
    return moved


def test_every_pixel_belongs_to_a_triangle(any_actor: PosedActor):
    raster = any_actor.control.raster(any_actor.points(), depth_N=any_actor.mesh()[:, 2])
    assert raster.triangle_HW.max() < len(any_actor.control.triangles_K3)


def test_no_triangle_around_the_face_turns_over(any_actor: PosedActor):
    for yaw, pitch, roll in itertools.product((-32, 0, 32), (-18, 0, 18), (-30, 0, 30)):
        head_7 = any_actor.head_7 + np.array([yaw, pitch, roll, 0, 0, 0, 0], np.float32)
        assert turned_over(any_actor.control, any_actor.points(head_7)) == 0


@pytest.mark.parametrize("head", [(90, 0), (-90, 0), (0, 70), (60, -60)])
@pytest.mark.parametrize("body", [(-60, -40, 0.2), (60, 30, -0.2), (0, -70, 0)])
def test_not_even_where_the_head_leaves_the_body(
    any_actor: PosedActor, head: tuple[int, int], body: tuple[float, float, float]
):
    head_7 = any_actor.head_7.copy()
    head_7[3:5] += head
    points_P2 = any_actor.points(head_7, swayed(any_actor.torso_18x3, *body))
    assert turned_over(any_actor.control, points_P2) == 0


@pytest.mark.parametrize("beside", ["left", "right", "both"])
def test_shoulders_seen_in_hair_do_not_fold_the_mesh_over_the_face(any_actor: PosedActor, beside: str):
    torso_18x3 = any_actor.torso_18x3.copy()
    torso_18x3[{"left": [7, 8], "right": [9, 10], "both": [7, 8, 9, 10]}[beside], 1] = (
        any_actor.mesh()[CHIN, 1] - 120
    )
    control = ControlMesh.of(
        canonical_N3=any_actor.canonical_N3, head_7=any_actor.head_7, torso_18x3=torso_18x3
    )
    points_P2 = control.points(mesh_N3=any_actor.mesh(), head_7=any_actor.head_7, torso_18x3=torso_18x3)
    body_B2 = points_P2[MESH_SIZE + len(control.skull_S3) :][: len(control.body_B2)]
    face_N2 = any_actor.mesh()[:, :2]
    beside_face_B = (body_B2[:, 0] > face_N2[:, 0].min()) & (body_B2[:, 0] < face_N2[:, 0].max())
    assert (body_B2[beside_face_B, 1] > face_N2[CHIN, 1]).all()
    assert turned_over(control, points_P2) == 0


def test_a_point_that_need_not_move_stays(any_actor: PosedActor):
    control, points_P2 = any_actor.control, any_actor.points()
    assert np.allclose(points_P2[:MESH_SIZE], any_actor.mesh()[:, :2])
    body_B2 = points_P2[MESH_SIZE + len(control.skull_S3) :][: len(control.body_B2)]
    assert np.allclose(body_B2, control.body_B2, atol=1e-3)


def test_the_body_moves_as_the_shoulders_do(actor: PosedActor):
    control = actor.control
    torso_18x3 = actor.torso_18x3 + np.array([12, -5, 0], np.float32)
    body = slice(MESH_SIZE + len(control.skull_S3), -len(control.frame_F2))
    assert np.allclose(actor.points(torso_18x3=torso_18x3)[body] - control.body_B2, (12, -5), atol=1e-3)


@pytest.mark.parametrize("yaw", [-45, -20, 0, 30, 50])
def test_what_is_nearer_hides_what_is_behind(any_actor: PosedActor, yaw: int):
    head_7 = any_actor.head_7 + np.array([yaw, 0, 0, 0, 0, 0, 0], np.float32)
    mesh_N3 = any_actor.mesh(head_7)
    raster = any_actor.control.raster(any_actor.points(head_7), depth_N=mesh_N3[:, 2])
    corners_K32 = raster.points_P2[face_triangles()].astype(np.float32)
    depth_K = mesh_N3[face_triangles(), 2].mean(axis=1)
    first = any_actor.control.surroundings + any_actor.control.fills
    looked_at = 0
    for row, column in itertools.product(range(60, 220, 9), range(60, 200, 9)):
        at = (2 * column + 1.0, 2 * row + 1.0)
        covering = [
            depth
            for corners, depth in zip(corners_K32, depth_K, strict=True)
            if cv2.pointPolygonTest(corners, at, True) > 0
        ]
        if covering:
            looked_at += 1
            assert depth_K[raster.triangle_HW[row, column] - first] >= max(covering) - 2
    assert looked_at > 30


@pytest.mark.parametrize("yaw", [-30, 30])
def test_hardly_a_pixel_is_seen_from_behind(any_actor: PosedActor, yaw: int):
    head_7 = any_actor.head_7 + np.array([yaw, 10, 5, 0, 0, 0, 0], np.float32)
    raster = any_actor.control.raster(any_actor.points(head_7), depth_N=any_actor.mesh(head_7)[:, 2])
    assert raster.turned_share < 0.002
