"""The triangles by which a picture of the subject is moved: face, fills, skull, body and the picture's border.

Legend: N mesh points (478), S skull points, B body points, F points of the frame, P all control points in the order
mesh, skull, body, frame; K triangles, 2/3 = (x, y[, z]), 7 = head vector. Points are px on the 512 canvas.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Final, Self

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.spatial import Delaunay

from stages.geometry.canonical import CANVAS, pose
from stages.geometry.landmarks import CHIN, INNER_LIP_RING, MESH_SIZE, TORSO_SIZE
from stages.geometry.planar import best_turn, turn_matrix
from stages.warp.contours import FaceEdges
from stages.warp.field import FIELD_SIZE, Raster
from stages.warp.folds import signed_areas, unfold

Floats = NDArray[np.float32]
Triangles = NDArray[np.int64]

FACE_OVAL: Final = np.array(
    [
        *(10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377),
        *(152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109),
    ]
)
"""The border of the face in polygon order."""

RIGHT_EYE_RING: Final = np.array(
    (33, 246, 161, 160, 159, 158, 157, 173, 133, 155, 154, 153, 145, 144, 163, 7)
)
LEFT_EYE_RING: Final = np.array(
    (263, 466, 388, 387, 386, 385, 384, 398, 362, 382, 381, 380, 374, 373, 390, 249)
)
"""The borders of the eyes in polygon order."""

RIGHT_IRIS: Final = np.arange(468, 473)
LEFT_IRIS: Final = np.arange(473, 478)
"""Iris centre and border, four points of it, of each eye."""
_TEMPLES: Final = (234, 454)

_NEAR_SCALE: Final = 1.12
_FAR_SCALE: Final = 1.45
"""Of the skull's rings, about the face's middle; the far one lies at the depth of the head's back."""

_NEAR_DEPTH: Final = 0.35
"""How far the near ring lies on the way from the face's depth to the back's."""

_BACK_PX: Final = 25.0
_TALL: Final = 0.25
"""Hair stands higher than it is wide: by this the far ring is scaled more at its top."""

_JAW: Final = 0.55
"""Share of the way to the chin below which there is no far ring: there is neck and cloth."""

_CLEARANCE_PX: Final = 10.0
_BELOW_PX: Final = 260.0
_COLLAR_COLUMNS: Final = np.linspace(0.1, 0.9, 6)
_COLLAR_ROWS_PX: Final = (22.0, 70.0)
_BESIDE_PX: Final = 64.0
_INNER: Final = 2
_STEEPEST: Final = 2.0
"""Which point of a shoulder's line from its end on tells how it falls, and how much it may."""

_LEAST_SHARE: Final = 0.05
"""A triangle of the surroundings keeps at least this share of the area it has in the template."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlMesh:
    """A subject's control points and the triangles between them.

    Triangles lie in the order in which they are drawn: the surroundings (skull, body, frame), the insides of eyes and
    mouth, and the face. Seen from the front all of them turn the same way.

    Attributes:
        skull_S3: canonical points that move with the head.
        body_B2: points that move with the torso, in the template.
        torso_T2: the template's shoulders, by which the torso's motion is told.
        frame_F2: points that stay.
        triangles_K3: indices of control points.
        surroundings: how many triangles surround the face.
        fills: how many fill eyes and mouth.
        least_area_K: areas in square px below which no triangle of the surroundings may fall.
        face_edges: edges between triangles of the face.
    """

    skull_S3: Floats
    body_B2: Floats
    torso_T2: Floats
    frame_F2: Floats
    triangles_K3: Triangles
    surroundings: int
    fills: int
    least_area_K: NDArray[np.float64]
    face_edges: FaceEdges

    @classmethod
    def of(cls, *, canonical_N3: Floats, head_7: Floats, torso_18x3: Floats) -> Self:
        """The control mesh of a subject.

        Args:
            canonical_N3: the template's mesh (478, 3) in canonical space.
            head_7: the template's head vector.
            torso_18x3: the template's shoulders (18, 3), image space.
        """
        mesh_N2 = pose(canonical_N3[None], head_7[None])[0, :, :2]
        skull_S3 = _skull(canonical_N3)
        skull_S2 = pose(skull_S3[None], head_7[None])[0, :, :2]
        body_B2 = _body(torso_18x3[:, :2], head_N2=np.concatenate([mesh_N2, skull_S2]), chin=mesh_N2[CHIN, 1])
        frame_F2 = _frame(np.concatenate([mesh_N2, skull_S2, body_B2]))
        points_P2 = np.concatenate([mesh_N2, skull_S2, body_B2, frame_F2])
        around_K3 = _surroundings(points_P2)
        fills_K3 = _fills(canonical_N3[:, :2])
        areas_K = -signed_areas(points_P2, around_K3)
        return cls(
            skull_S3=skull_S3,
            body_B2=body_B2,
            torso_T2=torso_18x3[:, :2].astype(np.float32),
            frame_F2=frame_F2,
            triangles_K3=np.concatenate([around_K3, fills_K3, face_triangles()]),
            surroundings=len(around_K3),
            fills=len(fills_K3),
            least_area_K=np.maximum(np.minimum(_LEAST_SHARE * areas_K, areas_K - 1e-3), 0.0),
            face_edges=FaceEdges.of(face_triangles()),
        )

    def raster(self, points_P2: Floats, *, depth_N: NDArray[np.floating], size: int = FIELD_SIZE) -> Raster:
        """Which triangle is seen where, from control points of a frame and the z (478,) of its mesh."""
        return Raster.of(
            points_P2=points_P2,
            triangles_K3=self.triangles_K3,
            depth_N=depth_N,
            flat=self.surroundings + self.fills,
            size=size,
        )

    def falls(self, points_P2: Floats) -> tuple[float, float]:
        """By how much shoulders fall outwards at the left and at the right end of their line, px per px."""
        line_T2 = points_P2[MESH_SIZE + len(self.skull_S3) + 1 :][:TORSO_SIZE].astype(np.float64)
        slopes = []
        for outer_2, inner_2 in ((line_T2[0], line_T2[_INNER]), (line_T2[-1], line_T2[-1 - _INNER])):
            along = max(abs(float(inner_2[0] - outer_2[0])), 1.0)
            slopes.append(float(np.clip((outer_2[1] - inner_2[1]) / along, 0.0, _STEEPEST)))
        return slopes[0], slopes[1]

    def points(self, *, mesh_N3: Floats, head_7: Floats, torso_18x3: Floats) -> Floats:
        """Control points (P, 2) of one frame; no triangle of the surroundings turns over.

        Args:
            mesh_N3: mesh (478, 3) in the picture.
            head_7: its head vector.
            torso_18x3: shoulders (18, 3) in the picture.
        """
        skull_S2 = pose(self.skull_S3[None], head_7[None])[0, :, :2]
        body_B2 = _moved_with(self.torso_T2, torso_18x3[:, :2], self.body_B2)
        points_P2 = np.concatenate([mesh_N3[:, :2], skull_S2, body_B2, self.frame_F2]).astype(np.float64)
        free = slice(MESH_SIZE, len(points_P2) - len(self.frame_F2))
        around_K3 = self.triangles_K3[: self.surroundings]
        return unfold(points_P2, around_K3, least_area_K=self.least_area_K, free=free).astype(np.float32)


def _skull(canonical_N3: Floats) -> Floats:
    """Two rings of points about the face, canonical: the skull's side, and hair."""
    centre_2 = canonical_N3[:, :2].mean(axis=0)
    oval_O3 = canonical_N3[FACE_OVAL].astype(np.float64)
    back = canonical_N3[list(_TEMPLES), 2].mean() - _BACK_PX
    reach = np.ptp(oval_O3[:, 1]) / 2
    up_O, down_O = (np.clip(sign * (oval_O3[:, 1] - centre_2[1]) / reach, 0, 1) for sign in (-1, 1))
    far_O = (_FAR_SCALE + _TALL * up_O) * (1 - down_O) + _NEAR_SCALE * down_O
    rings = []
    for scale_O, share in ((np.full(len(oval_O3), _NEAR_SCALE), _NEAR_DEPTH), (far_O, 1.0)):
        ring_O3 = oval_O3.copy()
        ring_O3[:, :2] = centre_2 + (oval_O3[:, :2] - centre_2) * scale_O[:, None]
        ring_O3[:, 2] += (back - oval_O3[:, 2]) * share
        rings.append(ring_O3)
    near_O3, far_O3 = rings
    return np.concatenate([near_O3, far_O3[down_O < _JAW]]).astype(np.float32)


def _body(torso_T2: Floats, *, head_N2: Floats, chin: float) -> Floats:
    """Shoulders, their continuation beyond the picture, collar and what lies below, in the template."""
    torso_T2 = torso_T2.astype(np.float64)
    left, right = head_N2[:, 0].min() - _CLEARANCE_PX, head_N2[:, 0].max() + _CLEARANCE_PX
    # Under hair the edge of the body is that of the hair: a shoulder beside the face would fold the mesh over it.
    near_T = (torso_T2[:, 0] > left) & (torso_T2[:, 0] < right)
    lowest = max(chin, head_N2[:, 1].max()) + _CLEARANCE_PX
    torso_T2[near_T, 1] = np.maximum(torso_T2[near_T, 1], lowest)
    half = TORSO_SIZE // 2
    inner_22 = torso_T2[[half - 1, half]]
    base = max(float(inner_22[:, 1].mean()), lowest)
    collar_C2 = np.array(
        [
            (inner_22[0, 0] + (inner_22[1, 0] - inner_22[0, 0]) * share, base + down)
            for down in _COLLAR_ROWS_PX
            for share in _COLLAR_COLUMNS
        ]
    )
    beside_22 = np.array([(-_BESIDE_PX, torso_T2[0, 1]), (CANVAS + _BESIDE_PX, torso_T2[-1, 1])])
    line_L2 = np.concatenate([beside_22[:1], torso_T2, beside_22[1:]])
    below_L2 = np.stack([line_L2[:, 0], np.full(len(line_L2), max(line_L2[:, 1].max(), base) + _BELOW_PX)], 1)
    return np.concatenate([line_L2, collar_C2, below_L2]).astype(np.float32)


def _frame(inner_P2: Floats) -> Floats:
    """Points that stay, beyond the picture and everything else: above, and beside what is above the shoulders."""
    low_2 = np.minimum(inner_P2.min(axis=0), 0.0) - _BESIDE_PX
    high_x = max(float(inner_P2[:, 0].max()), float(CANVAS)) + _BESIDE_PX
    across = np.linspace(low_2[0], high_x, 7)
    down = np.linspace(low_2[1], CANVAS / 2, 4)[1:]
    top = [(x, low_2[1]) for x in across]
    sides = [(x, y) for x in (low_2[0], high_x) for y in down]
    return np.array(top + sides, dtype=np.float32)


def _surroundings(points_P2: Floats) -> Triangles:
    """Triangles between the face's border and everything outside of it, seen from the front."""
    outside_I = np.concatenate([FACE_OVAL, np.arange(MESH_SIZE, len(points_P2))])
    triangles_K3 = outside_I[Delaunay(points_P2[outside_I]).simplices]
    on_oval_K = np.isin(triangles_K3, FACE_OVAL).all(axis=1)
    oval_O2 = points_P2[FACE_OVAL]
    # Three corners on the border: outside only where the border is hollow.
    inside_K = on_oval_K & _within(oval_O2, points_P2[triangles_K3].mean(axis=1))
    return _facing(triangles_K3[~inside_K], points_P2)


def _fills(mesh_N2: Floats) -> Triangles:
    """Triangles inside the mouth's opening and inside the eyes."""
    half = len(INNER_LIP_RING) // 2
    lower = INNER_LIP_RING[: half + 1]
    upper = np.concatenate([INNER_LIP_RING[:1], INNER_LIP_RING[:half:-1], INNER_LIP_RING[half : half + 1]])
    strip = [
        triangle
        for left, right in zip(range(half), range(1, half + 1), strict=True)
        for triangle in (
            (upper[left], lower[left], upper[right]),
            (upper[right], lower[left], lower[right]),
        )
        if len(set(triangle)) == 3
    ]
    eyes = []
    for ring, iris in ((RIGHT_EYE_RING, RIGHT_IRIS), (LEFT_EYE_RING, LEFT_IRIS)):
        corners_I = np.concatenate([ring, iris])
        triangles_K3 = corners_I[Delaunay(mesh_N2[corners_I]).simplices]
        within_K = _within(mesh_N2[ring], mesh_N2[triangles_K3].mean(axis=1))
        eyes.append(_facing(triangles_K3[within_K], mesh_N2))
    return np.concatenate([np.array(strip, dtype=np.int64), *eyes])


def _within(polygon_O2: Floats, at_K2: Floats) -> NDArray[np.bool_]:
    polygon = polygon_O2.astype(np.float32)
    return np.array([cv2.pointPolygonTest(polygon, (float(x), float(y)), False) > 0 for x, y in at_K2])


def _facing(triangles_K3: Triangles, points_P2: Floats) -> Triangles:
    """The triangles, turned as those of the face are."""
    turned_K = signed_areas(points_P2, triangles_K3) > 0
    return np.where(turned_K[:, None], triangles_K3[:, ::-1], triangles_K3)


@cache
def face_triangles() -> Triangles:
    """The face's own triangles (852, 3); seen from the front all of them turn the same way."""
    with np.load(str(files("stages.geometry") / "data" / "face_topology.npz")) as topology:
        triangles_K3: Triangles = topology["triangles_K3"].astype(np.int64)
    return triangles_K3


def _moved_with(from_T2: Floats, to_T2: Floats, points_B2: Floats) -> NDArray[np.float64]:
    """Points moved by the shift and turn that best bring one set of shoulders onto another."""
    rotation_22 = turn_matrix(best_turn(from_T2, to_T2))
    centre_2, aim_2 = from_T2.mean(axis=0, dtype=np.float64), to_T2.mean(axis=0, dtype=np.float64)
    return (points_B2 - centre_2) @ rotation_22.T + aim_2
