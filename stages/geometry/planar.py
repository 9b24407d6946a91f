"""Shifts and turns in the picture's plane. Legend: I points, 2 = (x, y in px, y down)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Doubles = NDArray[np.float64]


def turn_matrix(turn: float) -> Doubles:
    """(2, 2): multiplied with a column (x, y) it turns it by an angle in radians, clockwise as seen."""
    return np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])


def best_turn(from_I2: NDArray[np.floating], to_I2: NDArray[np.floating]) -> float:
    """The angle in radians that, with the shift of their means, brings points best onto others."""
    source_I2, target_I2 = (
        points_I2.astype(np.float64) - points_I2.astype(np.float64).mean(axis=0)
        for points_I2 in (from_I2, to_I2)
    )
    across = (source_I2[:, 0] * target_I2[:, 1] - source_I2[:, 1] * target_I2[:, 0]).sum()
    return float(np.arctan2(across, (source_I2 * target_I2).sum()))
