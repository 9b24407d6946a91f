from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.moda.smoothing import REST_REACH, REST_SIGMA, SMOOTHING_REACH, smooth, smooth_motion
from stages.payloads import MOTION_CHANNELS, Motion

FRAMES = 100


def noisy(seed: int = 0) -> Motion:
    rows_TC = np.random.default_rng(seed).normal(size=(FRAMES, MOTION_CHANNELS))
    return Motion.from_rows(rows_TC.astype(np.float32))


@settings(deadline=None, max_examples=30)
@given(st.integers(0, FRAMES - 1), st.data())
def test_a_part_inside_its_reach_equals_the_same_part_of_the_whole(start: int, data: st.DataObject):
    stop = data.draw(st.integers(start + 1, FRAMES))
    low, high = max(0, start - SMOOTHING_REACH), min(FRAMES, stop + SMOOTHING_REACH)
    motion = noisy()
    part = smooth_motion(motion.slice(low, high)).slice(start - low, stop - low)
    np.testing.assert_array_equal(part.as_rows(), smooth_motion(motion).as_rows()[start:stop])


def test_a_frame_depends_on_nothing_beyond_its_reach_and_on_all_within():
    rows_TC = noisy().as_rows()
    before = smooth_motion(Motion.from_rows(rows_TC)).as_rows()
    for distance, seen in ((SMOOTHING_REACH, True), (SMOOTHING_REACH + 1, False)):
        changed_TC = rows_TC.copy()
        changed_TC[50 + distance] += 1000
        after = smooth_motion(Motion.from_rows(changed_TC)).as_rows()
        assert np.array_equal(after[50], before[50]) is not seen


def test_the_reach_of_the_mesh_is_that_of_its_own_sigma():
    track_TC = np.zeros((FRAMES, 1), dtype=np.float32)
    track_TC[50] = 1
    touched = np.flatnonzero(smooth(track_TC, REST_SIGMA)[:, 0])
    assert (touched.min(), touched.max()) == (50 - REST_REACH, 50 + REST_REACH)


def test_the_scale_is_not_smoothed_and_all_else_is():
    motion = noisy()
    smoothed = smooth_motion(motion)
    np.testing.assert_array_equal(smoothed.head_TC[:, 6], motion.head_TC[:, 6])
    ratio_C = smoothed.as_rows().std(axis=0) / motion.as_rows().std(axis=0)
    assert (np.delete(ratio_C, 306) < 0.8).all()


def test_lips_are_smoothed_least_and_eyes_most():
    impulse_TC = np.zeros((FRAMES, MOTION_CHANNELS), dtype=np.float32)
    impulse_TC[50] = 1
    peak_C = smooth_motion(Motion.from_rows(impulse_TC)).as_rows()[50]
    mouth, eyes, rotation, centre, torso = (peak_C[channel] for channel in (0, 120, 300, 303, 307))
    assert 1 > mouth > rotation > eyes
    assert torso == centre == rotation


def test_a_still_face_stays_still():
    still = Motion.from_rows(np.full((40, MOTION_CHANNELS), 2.5, dtype=np.float32))
    np.testing.assert_allclose(smooth_motion(still).as_rows(), 2.5, atol=1e-6)


def test_the_input_is_left_alone():
    motion = noisy()
    before = motion.as_rows()
    smooth_motion(motion)
    np.testing.assert_array_equal(motion.as_rows(), before)
