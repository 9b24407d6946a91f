"""What a subject looks like, in a few numbers: coarse colours of head and surroundings, and how sharp the face is.

Legend: N points, H/W pixels, L cells of a look's side, 2 = (x, y), 3 = (x, y, z) or RGB.
"""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from stages.geometry.canonical import CANVAS

Points = NDArray[np.floating]
Frame = NDArray[np.uint8]
Look = NDArray[np.float64]

LOOK_CELLS: Final = 8

_CELL_PX: Final = 4
_EYE_DISTANCES: Final = 3.2
"""Side of the square that is looked at, in distances between the outer eye corners: the head with its hair."""

_EYE_CORNERS: Final = (33, 263)
_NOSE_TIP: Final = 4


def look_of(frame_HW3: Frame, mesh_N3: Points) -> Look:
    """(L, L, 3) mean colours, 0 to 255, of a grid that moves with the head; the mesh lies on the 512 canvas."""
    points_32 = np.asarray(mesh_N3, dtype=np.float64)[[*_EYE_CORNERS, _NOSE_TIP], :2]
    eyes_apart = max(float(np.linalg.norm(points_32[0] - points_32[1])), 1.0)
    side = LOOK_CELLS * _CELL_PX
    # Canvas px to cell px; a frame is brought to the canvas on the way.
    per_px = side / (_EYE_DISTANCES * eyes_apart) * CANVAS / frame_HW3.shape[0]
    centre_2 = points_32.mean(axis=0) * frame_HW3.shape[0] / CANVAS
    move_23 = np.array(
        [[per_px, 0.0, side / 2 - per_px * centre_2[0]], [0.0, per_px, side / 2 - per_px * centre_2[1]]]
    )
    # Nothing finer than a sample may be left when one pixel in many is taken.
    soft_HW3 = cv2.GaussianBlur(frame_HW3, (0, 0), max(0.5 / per_px, 0.1))
    samples = cv2.warpAffine(
        soft_HW3, move_23, (side, side), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    cells = np.asarray(samples, dtype=np.float64).reshape(LOOK_CELLS, _CELL_PX, LOOK_CELLS, _CELL_PX, 3)
    return np.asarray(cells.mean(axis=(1, 3)), dtype=np.float64)


def colour_difference(a_LL3: Look, b_LL3: Look) -> float:
    """Mean distance of two looks, grey levels."""
    return float(np.abs(a_LL3 - b_LL3).mean())


def face_sharpness(frame_HW3: Frame, mesh_N3: Points) -> float:
    """Variance of the Laplacian of the luma in the box around the mesh, grey levels squared; 0 outside the picture."""
    face_HW3 = frame_HW3[face_box(mesh_N3, size=frame_HW3.shape[0])]
    if min(face_HW3.shape[:2]) < 2:
        return 0.0
    grey_HW = cv2.cvtColor(np.ascontiguousarray(face_HW3), cv2.COLOR_RGB2GRAY)
    return float(np.asarray(cv2.Laplacian(grey_HW, cv2.CV_64F)).var())


def face_box(mesh_N3: Points, *, size: int) -> tuple[slice, slice]:
    """Rows and columns of the box around a mesh, in a picture of `size` px; at least one pixel within it."""
    corners_22 = np.stack([mesh_N3[:, :2].min(axis=0), mesh_N3[:, :2].max(axis=0)]) * (size / CANVAS)
    low_2 = np.clip(np.floor(corners_22[0]), 0, size - 1).astype(int)
    high_2 = np.clip(np.ceil(corners_22[1]), low_2 + 1, size).astype(int)
    return slice(int(low_2[1]), int(high_2[1])), slice(int(low_2[0]), int(high_2[0]))
