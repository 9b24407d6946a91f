from __future__ import annotations

import numpy as np
import pytest

from stages.geometry.planar import best_turn, turn_matrix


@pytest.mark.parametrize("turn", [-2.5, -0.3, 0.0, 0.01, 1.2])
def test_the_turn_between_two_sets_of_points_is_found(turn: float):
    random = np.random.default_rng(0)
    points_I2 = random.normal((256, 400), 90, (18, 2))
    turned_I2 = points_I2 @ turn_matrix(turn).T + np.array([31, -12])
    assert best_turn(points_I2, turned_I2) == pytest.approx(turn, abs=1e-9)
    noisy_I2 = turned_I2 + random.normal(0, 1, points_I2.shape)
    assert best_turn(points_I2, noisy_I2) == pytest.approx(turn, abs=0.02)
