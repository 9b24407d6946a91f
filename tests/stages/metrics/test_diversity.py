from __future__ import annotations

import numpy as np
import pytest

from stages.metrics.diversity import diversity


def test_equal_takes_are_not_diverse():
    take_TN3 = np.random.default_rng(0).normal(size=(5, 4, 3))
    assert diversity(np.stack([take_TN3] * 4)) == pytest.approx(0, abs=1e-12)


def test_diversity_is_the_variance_over_takes_and_not_over_time():
    still = np.zeros((1000, 6, 7, 3))
    still += np.random.default_rng(0).normal(0, 2, (1000, 6, 7, 3))
    moving = still + 100 * np.arange(6)[None, :, None, None]
    assert diversity(moving) == pytest.approx(4, rel=0.05)


def test_depth_does_not_count():
    takes = np.zeros((2, 3, 4, 3))
    takes[1, ..., 2] = 9
    assert diversity(takes) == 0


def test_one_take_has_no_diversity():
    with pytest.raises(ValueError, match="at least 2"):
        diversity(np.zeros((1, 3, 4, 3)))
