from __future__ import annotations

import numpy as np
import pytest
from average_actor import average_template
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.geometry.landmarks import EYES
from stages.moda.blinks import BLINK_AFTER, BLINK_BEFORE, BLINK_FRAMES, blink_frames, blink_track, lid_opening
from stages.moda.noise import frame_noise, frame_uniform

RATE = 1 / 80
PROFILE_KC = np.random.default_rng(0).normal(size=(BLINK_FRAMES, 180)).astype(np.float32)


def frames(first: int, count: int, *, seed: int = 1, take: int = 1) -> list[int]:
    return blink_frames(seed=seed, take=take, first_frame=first, frame_count=count, rate=RATE).tolist()


def track(first: int, count: int, *, rate: float = RATE, opening: float = 1.0) -> np.ndarray:
    return blink_track(
        PROFILE_KC, rate=rate, seed=1, take=1, first_frame=first, frame_count=count, opening=opening
    )


WHOLE_TN3 = track(0, 1000)


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 950), st.integers(1, 50))
def test_a_window_blinks_with_every_other_that_it_overlaps(first: int, count: int):
    np.testing.assert_array_equal(track(first, count), WHOLE_TN3[first : first + count])


def test_blinks_that_reach_into_a_window_from_outside_are_seen():
    for frame in frames(0, 900):
        for first in (frame - 1, frame + 1):
            for start in (first - 20, first):
                np.testing.assert_array_equal(track(start, 20), WHOLE_TN3[start : start + 20])


def test_every_frame_is_asked_once_whatever_the_window():
    whole = frames(0, 1000)
    assert whole == sorted({frame for first in range(0, 1000, 50) for frame in frames(first, 50)})


def test_a_blink_is_the_learned_profile_around_its_frame():
    (frame, *_) = frames(100, 400)
    blink_KN3 = track(frame - BLINK_BEFORE, BLINK_FRAMES, opening=2.0)
    np.testing.assert_allclose(blink_KN3.reshape(BLINK_FRAMES, 180), 2 * PROFILE_KC, rtol=1e-6)
    assert not track(frame + BLINK_AFTER + 1, 1).any()


def test_blinks_keep_apart_and_come_about_as_often_as_wanted():
    found = frames(0, 20_000)
    assert np.diff(found).min() > 20
    assert len(found) == pytest.approx(20_000 * RATE * (1 - RATE) ** 20, rel=0.2)


def test_another_take_blinks_at_other_times():
    assert frames(0, 500) != frames(0, 500, take=2) != frames(0, 500, seed=2)


def test_without_a_rate_nobody_blinks():
    assert not track(0, 300, rate=0.0).any()


def test_the_lid_opening_is_the_gap_between_the_lids():
    eyes_TN3 = average_template().mesh_N3[None, EYES].repeat(3, axis=0)
    for upper, lower in ((386, 374), (159, 145)):
        above, below = (np.flatnonzero(vertex == EYES)[0] for vertex in (upper, lower))
        eyes_TN3[1, above] = eyes_TN3[1, below]
        eyes_TN3[2, above, :2] = eyes_TN3[2, below, :2] + np.array([3, -4])
    open_as_usual, shut, five = lid_opening(eyes_TN3)
    assert 5 < open_as_usual < 40
    assert (shut, five) == (0, pytest.approx(5, rel=1e-5))


def test_uniform_draws_belong_to_their_frame_and_are_apart_from_the_noise():
    draws_T = frame_uniform(seed=1, take=2, first_frame=5, frame_count=500)
    np.testing.assert_array_equal(
        draws_T[100:], frame_uniform(seed=1, take=2, first_frame=105, frame_count=400)
    )
    assert 0 <= draws_T.min() < draws_T.max() < 1
    assert draws_T.mean() == pytest.approx(0.5, abs=0.05)
    noise_T = frame_noise(seed=1, take=2, first_frame=5, frame_count=500, width=1)[:, 0]
    assert abs(np.corrcoef(draws_T, noise_T)[0, 1]) < 0.15
