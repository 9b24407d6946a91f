from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.moda.noise import frame_noise

seeds = st.integers(0, 2**63 - 1)
takes = st.integers(0, 1000)
frames = st.integers(-100, 10**6)

PINNED_3 = (0.6801407933235168, 0.24522289633750916, 0.88800048828125)
"""Seed 7, take 1, frame 3: changing it changes every video that was ever made."""


@settings(deadline=None, max_examples=50)
@given(seeds, takes, frames, st.integers(1, 20), st.integers(1, 20))
def test_overlapping_ranges_hold_the_same_rows(seed: int, take: int, first: int, lead: int, count: int):
    long_TZ = frame_noise(seed=seed, take=take, first_frame=first, frame_count=lead + count, width=6)
    short_TZ = frame_noise(seed=seed, take=take, first_frame=first + lead, frame_count=count, width=6)
    np.testing.assert_array_equal(long_TZ[lead:], short_TZ)


@settings(deadline=None, max_examples=50)
@given(seeds, takes, frames)
def test_seed_take_and_frame_each_make_a_difference(seed: int, take: int, frame: int):
    def row(seed: int, take: int, frame: int) -> tuple[float, ...]:
        return tuple(frame_noise(seed=seed, take=take, first_frame=frame, frame_count=1, width=8)[0])

    neighbours = [
        (seed, take, frame),
        (seed ^ 1, take, frame),
        (seed, take + 1, frame),
        (seed, take, frame + 1),
    ]
    assert len({row(*key) for key in neighbours}) == 4
    assert row(seed, take, frame) == row(seed, take, frame)


def test_a_wider_row_begins_with_the_narrower_one():
    narrow, wide = (
        frame_noise(seed=3, take=1, first_frame=5, frame_count=4, width=width) for width in (4, 16)
    )
    np.testing.assert_array_equal(narrow, wide[:, :4])


def test_the_noise_is_standard_normal_and_frames_are_independent():
    rows_TZ = frame_noise(seed=0, take=0, first_frame=0, frame_count=2000, width=8)
    assert rows_TZ.dtype == np.float32
    assert rows_TZ.mean() == pytest.approx(0, abs=0.03)
    assert rows_TZ.std() == pytest.approx(1, abs=0.03)
    assert np.abs((rows_TZ[1:] * rows_TZ[:-1]).mean(axis=0)).max() < 0.1


def test_the_noise_of_a_frame_never_changes_between_versions():
    rows_TZ = frame_noise(seed=7, take=1, first_frame=3, frame_count=1, width=3)
    np.testing.assert_array_equal(rows_TZ, np.array([PINNED_3], dtype=np.float32))


def test_no_frames_have_no_noise():
    assert frame_noise(seed=0, take=0, first_frame=0, frame_count=0, width=5).shape == (0, 5)
