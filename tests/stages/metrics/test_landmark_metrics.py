from __future__ import annotations

import numpy as np
import pytest

from stages.metrics.landmarks import (
    correlation,
    landmark_distance,
    landmark_velocity_distance,
    mouth_opening,
)


def track(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 3, (20, 40, 3))


def test_a_track_is_at_no_distance_from_itself():
    assert landmark_distance(track(), track()) == 0
    assert landmark_velocity_distance(track(), track()) == 0


def test_the_distance_is_that_in_the_picture():
    assert landmark_distance(track() + np.array([3, 4, 100]), track()) == pytest.approx(5)


def test_a_constant_offset_has_no_velocity():
    assert landmark_velocity_distance(track() + np.array([3, 4, 5]), track()) == pytest.approx(0, abs=1e-12)


def test_a_steady_drift_has_its_step_as_velocity_distance():
    drift = np.arange(20)[:, None, None] * np.array([0.6, 0.8, 0])
    assert landmark_velocity_distance(track() + drift, track()) == pytest.approx(1)


def test_the_mouth_opening_is_the_gap_of_the_inner_lips():
    mesh_TN3 = np.zeros((3, 478, 3))
    mesh_TN3[:, 14] = np.array([[0, 0, 9], [0, 2, 0], [3, 4, 0]])
    assert mouth_opening(mesh_TN3).tolist() == [0, 2, 5]


def test_correlation_is_one_for_the_same_shape_and_zero_for_a_still_track():
    rising = np.arange(10.0)
    assert correlation(rising, 3 * rising + 2) == pytest.approx(1)
    assert correlation(rising, -rising) == pytest.approx(-1)
    assert correlation(rising, np.ones(10)) == 0
