"""Landmark metrics in canonical space (MODA section 10). Legend: T frames, N points, 3 = (x, y, z)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from stages.geometry.landmarks import INNER_LIP_TOP_BOTTOM

Points = NDArray[np.floating]


def landmark_distance(ours_TN3: Points, truth_TN3: Points) -> float:
    """LMD: mean distance in px of the lip points in x and y."""
    return float(np.linalg.norm(ours_TN3[..., :2] - truth_TN3[..., :2], axis=-1).mean())


def landmark_velocity_distance(ours_TN3: Points, truth_TN3: Points) -> float:
    """LMD-v: the same on differences from frame to frame."""
    return landmark_distance(np.diff(ours_TN3, axis=0), np.diff(truth_TN3, axis=0))


def mouth_opening(mesh_TN3: Points) -> NDArray[np.float64]:
    """Inner-lip opening in px per frame (T,), from full meshes (T, 478, 3)."""
    top, bottom = (int(vertex) for vertex in INNER_LIP_TOP_BOTTOM)
    opening_T: NDArray[np.float64] = np.linalg.norm(
        mesh_TN3[:, top, :2] - mesh_TN3[:, bottom, :2], axis=-1
    ).astype(np.float64)
    return opening_T


def moves(track_T: Points) -> bool:
    """Whether a track is more than one value again and again."""
    return bool(np.std(track_T) >= 1e-9)


def correlation(a_T: Points, b_T: Points) -> float:
    """Pearson's correlation of two tracks; 0 where one does not move."""
    if not (moves(a_T) and moves(b_T)):
        return 0.0
    return float(np.corrcoef(a_T, b_T)[0, 1])
