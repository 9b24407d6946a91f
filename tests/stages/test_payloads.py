from __future__ import annotations

import numpy as np
import pytest

from stages.payloads import MOTION_CHANNELS, SAMPLES_PER_FRAME, Motion, PosedFace


def some_motion(frames: int) -> Motion:
    return Motion.from_rows(
        np.random.default_rng(frames).standard_normal((frames, MOTION_CHANNELS)).astype(np.float32)
    )


def test_a_frame_covers_640_samples():
    assert SAMPLES_PER_FRAME == 640
    assert MOTION_CHANNELS == 361


@pytest.mark.parametrize("frames", [0, 1, 50])
def test_rows_hold_all_tracks_and_give_them_back(frames: int):
    motion = some_motion(frames)
    again = Motion.from_rows(motion.as_rows())
    assert again.frame_count == frames
    assert motion.as_rows().shape == (frames, 361)
    for track in ("mouth_TN3", "eyes_TN3", "head_TC", "torso_TN3"):
        np.testing.assert_array_equal(getattr(again, track), getattr(motion, track))


def test_a_slice_is_the_same_frames_of_every_track():
    motion = some_motion(10)
    np.testing.assert_array_equal(motion.slice(3, 7).as_rows(), motion.as_rows()[3:7])
    assert motion.slice(10, 10).frame_count == 0


@pytest.mark.parametrize(("start", "stop"), [(-1, 2), (3, 2), (0, 11)])
def test_a_slice_outside_the_motion_is_refused(start: int, stop: int):
    with pytest.raises(ValueError, match="not inside"):
        some_motion(10).slice(start, stop)


def test_tracks_of_different_lengths_are_refused():
    motion = some_motion(4)
    with pytest.raises(ValueError, match="torso"):
        Motion(
            mouth_TN3=motion.mouth_TN3,
            eyes_TN3=motion.eyes_TN3,
            head_TC=motion.head_TC,
            torso_TN3=motion.torso_TN3[:3],
        )


def test_double_precision_is_refused():
    with pytest.raises(ValueError, match="float64"):
        PosedFace(mesh_TN3=np.zeros((2, 478, 3)), torso_TN3=np.zeros((2, 18, 3), dtype=np.float32))
