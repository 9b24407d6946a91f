from __future__ import annotations

import numpy as np
import pytest

from stages.moda.residual_motion import (
    RESIDUAL_CHANNELS,
    RESIDUAL_COMPONENTS,
    RESIDUAL_TAPS,
    residual_track,
)

RANDOM = np.random.default_rng(0)
FILTER_KQQ = RANDOM.normal(size=(RESIDUAL_TAPS, RESIDUAL_COMPONENTS, RESIDUAL_COMPONENTS)).astype(np.float32)
CHANNELS_CQ = RANDOM.normal(size=(RESIDUAL_CHANNELS, RESIDUAL_COMPONENTS)).astype(np.float32)


def track(*, first_frame: int, frame_count: int, seed: int = 1, take: int = 1) -> np.ndarray:
    return residual_track(
        FILTER_KQQ, CHANNELS_CQ, seed=seed, take=take, first_frame=first_frame, frame_count=frame_count
    )


@pytest.mark.parametrize("start", [0, 1, 37, 150])
def test_windows_that_overlap_draw_the_same(start: int):
    np.testing.assert_array_equal(
        track(first_frame=start, frame_count=60), track(first_frame=0, frame_count=300)[start : start + 60]
    )


def test_another_take_or_seed_draws_another():
    first = track(first_frame=0, frame_count=50)
    for other in (track(first_frame=0, frame_count=50, take=2), track(first_frame=0, frame_count=50, seed=2)):
        assert abs(np.corrcoef(first[:, 0], other[:, 0])[0, 1]) < 0.9
        assert not np.array_equal(first, other)


def test_weights_without_a_filter_add_nothing():
    still = residual_track(
        np.zeros_like(FILTER_KQQ), CHANNELS_CQ, seed=1, take=1, first_frame=0, frame_count=9
    )
    assert still.shape == (9, RESIDUAL_CHANNELS)
    assert not still.any()
