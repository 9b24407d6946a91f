from __future__ import annotations

import math

import cv2
import numpy as np
import pytest

from stages.metrics.temporal import TemporalConsistency


def scene(shift: int) -> np.ndarray:
    """A smooth texture, moved to the right."""
    rough = np.random.default_rng(3).integers(0, 256, (96, 96, 3), dtype=np.uint8)
    return np.roll(cv2.GaussianBlur(rough, (0, 0), 3.0), shift, axis=1)


def consistency(generated: list[np.ndarray], truth: list[np.ndarray]) -> float:
    measure = TemporalConsistency()
    for pair in zip(generated, truth, strict=True):
        measure.add(*pair)
    return measure.mean()


@pytest.fixture
def truth() -> list[np.ndarray]:
    # Some noise: where the flow explains all, nothing is left to divide by.
    noise = np.random.default_rng(4)
    return [np.clip(scene(k) + noise.normal(0, 2, (96, 96, 3)), 0, 255).astype(np.uint8) for k in range(6)]


def test_a_video_is_as_consistent_as_itself(truth):
    assert consistency(truth, truth) == 1.0


def test_flicker_and_stillness_both_cost(truth):
    flicker = [
        np.clip(frame.astype(int) + 15 * (k % 2), 0, 255).astype(np.uint8) for k, frame in enumerate(truth)
    ]
    still = [scene(0)] * len(truth)
    assert consistency(flicker, truth) < 0.2
    # The still picture is moved along the true flow, which spoils it.
    assert consistency(still, truth) < 0.9


def test_more_flicker_costs_more(truth):
    def flickering(levels: int) -> list[np.ndarray]:
        return [
            np.clip(f.astype(int) + levels * (k % 2), 0, 255).astype(np.uint8) for k, f in enumerate(truth)
        ]

    assert 1 > consistency(flickering(1), truth) > consistency(flickering(3), truth)


def test_frames_in_which_the_truth_stands_still_are_skipped():
    measure = TemporalConsistency()
    still = scene(0)
    assert measure.add(still, still) is None
    assert measure.add(scene(1), still) is None
    assert math.isnan(measure.mean())


def test_motion_of_the_truth_explains_the_same_motion_of_the_generated_video(truth):
    # Another texture that moves likewise is predicted by the true flow about as well.
    noise = np.random.default_rng(5)
    other = [np.flipud(scene(k)) for k in range(6)]
    other = [np.clip(frame + noise.normal(0, 2, frame.shape), 0, 255).astype(np.uint8) for frame in other]
    assert consistency(other, truth) > 0.5
