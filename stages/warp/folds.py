"""Keeping a mesh of triangles from folding over itself.

Legend: P points, K triangles, 2 = (x, y) in px.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

_MOST_SWEEPS: Final = 320
_PATIENCE: Final = 40
"""Sweeps after which a knot that does not come undone is smoothed out."""

_LONGEST_STEP_PX: Final = 4.0
"""A triangle as thin as a line says badly how far its corners are to go."""

_SLACK: Final = 1.05
"""A triangle is opened a little further than it must, so that its neighbours do not close it again at once."""


def signed_areas(points_P2: NDArray[np.floating], triangles_K3: NDArray[np.integer]) -> NDArray[np.float64]:
    """Areas (K,) in square px: negative where a triangle turns as those of a face seen from the front do."""
    corners_K32 = np.asarray(points_P2, dtype=np.float64)[triangles_K3]
    first_K2, second_K2 = corners_K32[:, 1] - corners_K32[:, 0], corners_K32[:, 2] - corners_K32[:, 0]
    return (first_K2[:, 0] * second_K2[:, 1] - first_K2[:, 1] * second_K2[:, 0]) / 2


def unfold(
    points_P2: NDArray[np.float64],
    triangles_K3: NDArray[np.integer],
    *,
    least_area_K: NDArray[np.float64],
    free: slice,
) -> NDArray[np.float64]:
    """Points (P, 2) moved as little as needed for every triangle to keep its sign and least area.

    Each triangle that is too small pushes its free corners apart along the slope of its area; only frames with such
    triangles pay for it. A triangle without a free corner stays as it is, and where fixed corners leave no room (a face
    turned so far that its own border folds) some stay folded.

    Args:
        points_P2: where the points are wanted.
        triangles_K3: triangles that face the viewer.
        least_area_K: in square px.
        free: the points that may be moved.
    """
    is_free_P = np.zeros(len(points_P2))
    is_free_P[free] = 1.0
    movable_K = is_free_P[triangles_K3].any(axis=1)
    for sweep in range(_MOST_SWEEPS):
        missing_K = least_area_K + signed_areas(points_P2, triangles_K3)
        small = np.flatnonzero(movable_K & (missing_K > 0))
        if not len(small):
            break
        if sweep % _PATIENCE == _PATIENCE - 1:
            points_P2 = _relaxed(points_P2, triangles_K3, near=triangles_K3[small], is_free_P=is_free_P)
        else:
            points_P2 = _opened(points_P2, triangles_K3[small], missing_K[small], is_free_P=is_free_P)
    return points_P2


def _opened(
    points_P2: NDArray[np.float64],
    corners_J3: NDArray[np.integer],
    missing_J: NDArray[np.float64],
    *,
    is_free_P: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Points with the free corners of each of some triangles moved apart until the area is there."""
    at_J32 = points_P2[corners_J3]
    opposite_J32 = np.roll(at_J32, -1, axis=1) - np.roll(at_J32, 1, axis=1)
    # The area grows fastest where a corner moves square to the side opposite it.
    slope_J32 = np.stack([opposite_J32[..., 1], -opposite_J32[..., 0]], axis=-1) / 2
    slope_J32 *= is_free_P[corners_J3][..., None]
    steep_J = np.maximum((slope_J32**2).sum(axis=(1, 2)), 1e-6)
    move_J32 = -slope_J32 * ((missing_J * _SLACK + 1e-3) / steep_J)[:, None, None]
    move_P2, count_P = np.zeros_like(points_P2), np.zeros(len(points_P2))
    np.add.at(move_P2, corners_J3, np.clip(move_J32, -_LONGEST_STEP_PX, _LONGEST_STEP_PX))
    np.add.at(count_P, corners_J3, 1.0)
    return points_P2 + move_P2 / np.maximum(count_P, 1.0)[:, None]


def _relaxed(
    points_P2: NDArray[np.float64],
    triangles_K3: NDArray[np.integer],
    *,
    near: NDArray[np.integer],
    is_free_P: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Points with the free corners of triangles that share a corner with `near` in the middle of their neighbours."""
    involved_K = np.isin(triangles_K3, near).any(axis=1)
    sum_P2, count_P = np.zeros_like(points_P2), np.zeros(len(points_P2))
    for shift in (1, 2):
        np.add.at(sum_P2, triangles_K3, points_P2[np.roll(triangles_K3, shift, axis=1)])
        np.add.at(count_P, triangles_K3, 1.0)
    moves_P = np.zeros(len(points_P2), dtype=np.bool_)
    moves_P[triangles_K3[involved_K]] = True
    moves_P &= is_free_P > 0
    middle_P2 = sum_P2 / np.maximum(count_P, 1.0)[:, None]
    return np.where(moves_P[:, None], middle_P2, points_P2)
