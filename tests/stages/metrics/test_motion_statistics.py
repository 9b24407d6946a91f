"""Statistics of head, lids and steadiness on made-up tracks whose figures are known."""

from __future__ import annotations

import numpy as np
import pytest

from stages.metrics.blinking import blinking
from stages.metrics.head_motion import head_motion
from stages.metrics.steadiness import Steadiness, SteadinessFigures

FACE = (slice(16, 48), slice(16, 48))


def test_a_head_that_turns_evenly_has_that_speed():
    angles_T3 = np.zeros((26, 3))
    angles_T3[:, 0] = np.arange(26)  # one degree a frame
    motion = head_motion(angles_T3, np.ones(26, dtype=bool))
    assert motion.yaw_speed == pytest.approx(25.0)
    assert motion.yaw_spread == pytest.approx(np.arange(26).std())
    assert (motion.pitch_speed, motion.roll_spread) == (0.0, 0.0)


def test_steps_across_frames_without_a_face_do_not_count():
    angles_T3 = np.zeros((10, 3))
    angles_T3[5] = 500.0
    found_T = np.arange(10) != 5
    motion = head_motion(angles_T3, found_T)
    assert (motion.yaw_speed, motion.yaw_spread) == (0.0, 0.0)


def lids(*closed: tuple[int, int], frames: int = 500) -> np.ndarray:
    opening_T = np.full(frames, 16.0)
    for start, length in closed:
        opening_T[start : start + length] = 2.0
    return opening_T


def test_blinks_are_counted_and_their_length_averaged():
    found = blinking(lids((50, 4), (200, 6), (400, 5)))
    assert (found.count, found.per_minute) == (3, pytest.approx(9.0))
    assert found.mean_seconds == pytest.approx(0.2)


def test_eyes_that_stay_shut_or_narrow_do_not_blink():
    narrow_T = lids()
    narrow_T[100:105] = 12.0
    assert blinking(narrow_T).count == 0
    assert blinking(lids((100, 40))).count == 0
    assert blinking(lids()).mean_seconds is None


def watch(frames: list[np.ndarray], face=FACE) -> SteadinessFigures:
    steadiness = Steadiness()
    for frame in frames:
        steadiness.add(frame, face)
    return steadiness.figures()


def grey(level: int) -> np.ndarray:
    return np.full((64, 64, 3), level, dtype=np.uint8)


def test_flicker_is_the_second_difference_beside_the_face():
    assert watch([grey(100), grey(104), grey(100), grey(104)]).flicker == pytest.approx(8.0)
    # A light that goes up evenly does not flicker.
    assert watch([grey(100), grey(104), grey(108), grey(112)]).flicker == 0.0
    talking = [grey(100) for _ in range(4)]
    talking[1][FACE] = talking[3][FACE] = 200
    assert watch(talking).flicker == 0.0


def test_nothing_is_said_of_flicker_where_the_face_fills_the_picture():
    whole = (slice(0, 64), slice(0, 64))
    assert watch([grey(100), grey(104), grey(100)], face=whole).flicker is None


def test_frozen_and_black_frames_are_counted():
    figures = watch([grey(0), grey(100), grey(100), grey(120), grey(120)])
    assert figures.frozen_share == pytest.approx(2 / 4)
    assert figures.black_share == pytest.approx(1 / 5)
