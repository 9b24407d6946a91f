"""Shoulder points from a person mask: where the body meets the background (MODA section 8.6, row 24).

Legend: T frames, H/W pixels, 9 points a side, 18 = left of the picture then right, 3 = (x, y, z).
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d, median_filter

from stages.geometry.canonical import CANVAS
from stages.geometry.landmarks import TORSO_SIZE

Floats = NDArray[np.float32]

POINTS_A_SIDE: Final = TORSO_SIZE // 2
_POLYNOMIAL_DEGREE: Final = 4
_LEAST_SHARE: Final = 0.3
"""A side of which less is shoulder counts as not visible: the bottom of the picture (MODA section 8.6, step 5)."""

_MOVING_PX: Final = 0.5
_JUMP_PX: Final = 50.0


def shoulder_columns(mesh_TN3: NDArray[np.floating]) -> Floats:
    """The 18 columns (px on the canvas) at which a clip's shoulders are sampled: fixed for the whole clip.

    They run from the picture's edge to the side of the median face, 9 a side, in order of x.
    """
    x_TN = np.asarray(mesh_TN3)[..., 0]
    left, right = float(np.median(x_TN.min(axis=1))), float(np.median(x_TN.max(axis=1)))
    margin = 4.0
    left_9 = np.linspace(margin, max(left, 4 * margin), POINTS_A_SIDE)
    right_9 = np.linspace(min(right, CANVAS - 4 * margin), CANVAS - margin, POINTS_A_SIDE)
    return np.concatenate([left_9, right_9]).astype(np.float32)


def shoulder_heights(mask_HW: NDArray[np.floating], columns_18: Floats, *, highest: float = 0.0) -> Floats:
    """Height y (px on the canvas) of the body's upper edge at each column, seen from below.

    The edge is where confidence falls through one half on the way up from the bottom row, found to a
    fraction of a pixel. A column with no body at the bottom gives the bottom of the picture. Where the edge lies above
    `highest`, it is that of hair or of the head, and the shoulder is continued from the columns beside it.
    """
    height, width = mask_HW.shape
    all_columns = np.arange(width)
    body_HW = np.asarray(mask_HW, dtype=np.float64)[::-1]
    outside_HW = body_HW < 0.5
    rows_W = np.where(outside_HW.any(axis=0), outside_HW.argmax(axis=0), height - 1)
    below_W = body_HW[np.maximum(rows_W - 1, 0), all_columns]
    above_W = body_HW[rows_W, all_columns]
    fraction_W = np.clip((below_W - 0.5) / np.maximum(below_W - above_W, 1e-6), 0.0, 1.0)
    edge_W = (height - 0.5 - np.maximum(rows_W - 1, 0) - fraction_W) * (CANVAS / height)
    centres_W = (all_columns + 0.5) * (CANVAS / width)
    sides = (columns_18[:POINTS_A_SIDE], columns_18[POINTS_A_SIDE:])
    fitted = [_fitted(centres_W, edge_W, side_9, highest=highest) for side_9 in sides]
    return np.concatenate(fitted).astype(np.float32)


def _fitted(
    x_W: NDArray[np.float64], y_W: NDArray[np.float64], side_9: Floats, *, highest: float
) -> NDArray[np.float64]:
    inside = (x_W >= side_9[0] - 2) & (x_W <= side_9[-1] + 2)
    shoulder = inside & (y_W >= highest)
    if shoulder.sum() < _LEAST_SHARE * inside.sum():
        return np.full(POINTS_A_SIDE, float(CANVAS))
    x_K, y_K = x_W[shoulder], y_W[shoulder]
    span = float(side_9[-1] - side_9[0])
    coefficients = np.polynomial.polynomial.polyfit((x_K - side_9[0]) / span, y_K, _POLYNOMIAL_DEGREE)
    # Beyond the columns it was fitted to, a polynomial runs away.
    at_9 = np.clip(side_9.astype(np.float64), x_K[0], x_K[-1])
    y_9 = np.polynomial.polynomial.polyval((at_9 - side_9[0]) / span, coefficients)
    return np.asarray(np.clip(y_9, y_K.min(), y_K.max()), dtype=np.float64)


def torso_track(heights_T18: Floats, columns_18: Floats, mesh_TN3: NDArray[np.floating]) -> Floats:
    """Shoulder points (T, 18, 3) in image space: jumps over 50 px removed, lightly smoothed, at the face's depth."""
    frames = len(heights_T18)
    calm_T18 = median_filter(heights_T18, size=(min(5, frames), 1), mode="nearest")
    jumped_T1 = np.abs(heights_T18 - calm_T18).mean(axis=1, keepdims=True) > _JUMP_PX
    smooth_T18 = gaussian_filter1d(np.where(jumped_T1, calm_T18, heights_T18), 1.0, axis=0, mode="nearest")
    torso_T18x3 = np.empty((frames, TORSO_SIZE, 3), dtype=np.float32)
    torso_T18x3[..., 0] = columns_18
    torso_T18x3[..., 1] = smooth_T18
    torso_T18x3[..., 2] = np.asarray(mesh_TN3)[..., 2].mean(axis=1, keepdims=True)
    return torso_T18x3


def is_moving(torso_TN3: NDArray[np.floating]) -> bool:
    """Whether the shoulders were seen to move, to any side: clips without are left out of the torso loss."""
    spread_2 = np.asarray(torso_TN3)[..., :2].std(axis=0).mean(axis=0)
    return bool(np.linalg.norm(spread_2) > _MOVING_PX)
