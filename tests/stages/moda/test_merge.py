from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.moda.merge import merge_windows
from stages.payloads import MOTION_CHANNELS, Motion

Windows = dict[int, Motion]


def flat(value: float, frames: int) -> Motion:
    return Motion.from_rows(np.full((frames, MOTION_CHANNELS), value, dtype=np.float32))


def noisy(seed: int, frames: int) -> Motion:
    rows_TC = np.random.default_rng(seed).normal(size=(frames, MOTION_CHANNELS))
    return Motion.from_rows(rows_TC.astype(np.float32))


@st.composite
def layouts(draw: st.DrawFn) -> list[tuple[int, int]]:
    """[start, stop) of windows in a row, each overlapping the next by less than half of either."""
    spans = [(0, draw(st.integers(4, 30)))]
    for _ in range(draw(st.integers(0, 4))):
        start, stop = spans[-1]
        free = start if len(spans) == 1 else spans[-2][1]
        first = draw(st.integers(max(free, start + 1), stop))
        spans.append((first, stop + draw(st.integers(1, 30))))
    return spans


def fill(spans: list[tuple[int, int]]) -> Windows:
    return {start: noisy(index, stop - start) for index, (start, stop) in enumerate(spans)}


@settings(deadline=None, max_examples=60)
@given(layouts())
def test_windows_that_agree_are_left_as_they_are(spans: list[tuple[int, int]]):
    end = spans[-1][1]
    whole = noisy(0, end)
    merged = merge_windows({a: whole.slice(a, b) for a, b in spans}, start=0, stop=end)
    np.testing.assert_allclose(merged.as_rows(), whole.as_rows(), atol=1e-6)


@settings(deadline=None, max_examples=60)
@given(layouts())
def test_between_constant_windows_the_motion_rises_steadily(spans: list[tuple[int, int]]):
    windows = {start: flat(index, stop - start) for index, (start, stop) in enumerate(spans)}
    track_T = merge_windows(windows, start=0, stop=spans[-1][1]).as_rows()[:, 0]
    assert (np.diff(track_T) >= -1e-6).all()
    assert track_T[0] >= 0
    assert track_T[-1] <= len(spans) - 1


@settings(deadline=None, max_examples=60)
@given(layouts(), st.data())
def test_a_part_equals_the_same_part_of_the_whole(spans: list[tuple[int, int]], data: st.DataObject):
    end = spans[-1][1]
    start = data.draw(st.integers(0, end - 1))
    stop = data.draw(st.integers(start, end))
    windows = fill(spans)
    needed = {first: motion for first, motion in windows.items() if touches(first, motion, start, stop)}
    part = merge_windows(needed, start=start, stop=stop)
    whole = merge_windows(windows, start=0, stop=end)
    np.testing.assert_array_equal(part.as_rows(), whole.as_rows()[start:stop])


def touches(first: int, motion: Motion, start: int, stop: int) -> bool:
    return first < stop and first + motion.frame_count > start


@settings(deadline=None, max_examples=60)
@given(layouts())
def test_no_step_at_a_border_is_larger_than_the_cross_fade_explains(spans: list[tuple[int, int]]):
    windows = fill(spans)
    within = max(np.abs(np.diff(motion.as_rows(), axis=0)).max(initial=0) for motion in windows.values())
    fade = 0.0
    for (a, a_stop), (b, _) in pairwise(spans):
        if b == a_stop:
            return  # Windows that only touch are not faded.
        apart = windows[a].as_rows()[b - a :] - windows[b].as_rows()[: a_stop - b]
        fade = max(fade, np.abs(apart).max() / (a_stop - b + 1))
    steps = np.diff(merge_windows(windows, start=0, stop=spans[-1][1]).as_rows(), axis=0)
    assert np.abs(steps).max(initial=0) <= within + fade + 1e-5


def test_windows_of_slow_motion_are_joined_without_a_jump():
    """Half a period apart, 300 frames long and off by a constant: as two takes of one head."""
    time_T = np.arange(450)
    swing_TC = np.repeat(np.sin(time_T / 20)[:, None], MOTION_CHANNELS, axis=1).astype(np.float32)
    windows = {
        0: Motion.from_rows(swing_TC[:300]),
        150: Motion.from_rows(swing_TC[150:] + np.float32(1.0)),
    }
    steps_T = np.abs(np.diff(merge_windows(windows, start=0, stop=450).as_rows()[:, 0]))
    assert steps_T.max() < np.abs(np.diff(swing_TC[:, 0])).max() + 1 / 150


def test_an_uncovered_frame_is_refused():
    with pytest.raises(ValueError, match="not covered"):
        merge_windows({0: noisy(0, 10), 12: noisy(1, 10)}, start=5, stop=15)
    with pytest.raises(ValueError, match="not covered"):
        merge_windows({0: noisy(0, 10)}, start=5, stop=11)


def test_three_windows_on_one_frame_are_refused():
    windows = {0: noisy(0, 10), 3: noisy(1, 10), 6: noisy(2, 10)}
    with pytest.raises(ValueError, match="more than two"):
        merge_windows(windows, start=0, stop=16)


def test_no_frames_are_no_motion():
    assert merge_windows({}, start=3, stop=3).frame_count == 0
