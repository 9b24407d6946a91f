from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from benchmarks.tracks.signals import ActorTruth, amplitude, jitter, lag
from stages.subject.face_smoothing import without_noise

FRAMES = 240
FOCAL_PX = 2400.0
FACE = np.array([0.1, 7.7, 10.4])
"""The middle of an actor's face, seen from where its head turns; the rig's units."""

_TIMES = np.arange(FRAMES, dtype=np.float64)


def speech(times: np.ndarray) -> np.ndarray:
    """A signal with rates up to five a second."""
    rates = np.array([0.3, 0.9, 1.7, 2.8, 4.1, 5.0])
    return np.sin(2 * np.pi * rates * times[:, None] / 25 + np.arange(6)).sum(axis=1)


@pytest.mark.parametrize("late", [-1.3, -0.4, 0.0, 0.26, 0.8, 1.7])
def test_a_lag_is_found_in_parts_of_a_frame(late: float):
    assert lag(speech(_TIMES - late), speech(_TIMES)) == pytest.approx(late, abs=0.03)


def test_smoothing_from_both_sides_has_no_lag():
    smooth_T = without_noise(speech(_TIMES).astype(np.float32), sigma=0.9).astype(np.float64)
    assert abs(lag(smooth_T, speech(_TIMES))) < 0.03


def test_amplitude_is_what_goes_along():
    noise_T = np.random.default_rng(0).normal(0, 0.5, FRAMES)
    assert amplitude(0.8 * speech(_TIMES) + noise_T, speech(_TIMES)) == pytest.approx(0.8, abs=0.05)


def test_jitter_is_the_spread_of_white_noise():
    assert jitter(np.random.default_rng(0).normal(0, 0.3, 4000)) == pytest.approx(0.3, rel=0.05)
    assert jitter(3.0 * _TIMES) == pytest.approx(0, abs=1e-9)


@pytest.fixture
def motion(tmp_path: Path) -> Path:
    """An actor whose head nods and turns about a neck, as the rig would store it."""
    angles_T3 = np.stack([6 * np.sin(_TIMES / 7), 9 * np.sin(_TIMES / 11), 2 * np.sin(_TIMES / 5)], axis=-1)
    names = np.array(["eyeBlink_L", "eyeBlink_R", "jawOpen"])
    path = tmp_path / "actor_motion.npz"
    np.savez(
        path,
        R=Rotation.from_euler("xyz", angles_T3, degrees=True).as_matrix(),
        t=np.stack([0.3 * np.sin(_TIMES / 9), 0.2 * np.cos(_TIMES / 6), 0.1 * np.sin(_TIMES / 8)], axis=-1),
        W=np.abs(np.sin(_TIMES[:, None] / np.array([9, 9, 3]))).astype(np.float32),
        names=names,
        rig_gap=np.abs(np.sin(_TIMES / 3)),
    )
    return path


def heads_of(truth: ActorTruth, *, point: np.ndarray, scale: float) -> np.ndarray:
    """Head vectors of a tracker without fault and without perspective, which looks at one point of the head.

    A camera as the actors' takes pictures of the points of a head; the nearest turned and scaled head without
    perspective is told.
    """
    distance = FOCAL_PX / scale
    head_P3 = np.random.default_rng(2).normal(0, 3.0, (400, 3))
    head_T7 = np.zeros((FRAMES, 7), dtype=np.float32)
    for index, (turn_33, place_3) in enumerate(zip(truth.head_T33, truth.place_T3, strict=True)):
        at_P3 = (head_P3 - head_P3.mean(axis=0) + point) @ turn_33.T + place_3
        image_P2 = FOCAL_PX * at_P3[:, :2] * (1, -1) / (distance - at_P3[:, 2:])
        slopes_23 = np.linalg.lstsq(head_P3 - head_P3.mean(axis=0), image_P2 - image_P2.mean(axis=0))[0].T
        left_22, _, right_23 = np.linalg.svd(slopes_23, full_matrices=False)
        across_23 = left_22 @ right_23 * (1, -1, 1)
        turned = Rotation.from_matrix(np.vstack([across_23, np.cross(*across_23)]))
        pitch, yaw, roll = turned.inv().as_euler("xyz", degrees=True)
        head_T7[index] = yaw, pitch, roll, *(image_P2.mean(axis=0) + 256), 0, 1
    return head_T7


def test_a_tracker_without_fault_has_no_error(motion: Path):
    truth = ActorTruth.load(motion, count=FRAMES)
    head_T7 = heads_of(truth, point=FACE, scale=14.5)
    assert truth.rotation_error(head_T7).max() < 0.1
    assert truth.place_error(head_T7).max() < 0.1


def test_a_nod_is_held_against_what_the_camera_sees_of_it(motion: Path):
    truth = ActorTruth.load(motion, count=FRAMES)
    head_T7 = heads_of(truth, point=FACE, scale=14.5)
    pitch_T = head_T7[:, 1].astype(np.float64)
    nod_T = -Rotation.from_matrix(truth.head_T33).as_euler("xyz", degrees=True)[:, 0]
    assert abs(amplitude(pitch_T, nod_T)) > 1.04
    assert amplitude(pitch_T, truth.angles(head_T7)[:, 1]) == pytest.approx(1, abs=0.01)


def test_faults_of_a_tracker_are_measured(motion: Path):
    truth = ActorTruth.load(motion, count=FRAMES)
    head_T7 = heads_of(truth, point=FACE, scale=14.5)
    noise = np.random.default_rng(0)
    head_T7[:, 1] += noise.normal(0, 0.7, FRAMES)
    head_T7[:, 3] += noise.normal(0, 1.2, FRAMES)
    assert truth.rotation_error(head_T7)[0] == pytest.approx(0.7, rel=0.15)
    assert truth.place_error(head_T7) == pytest.approx((1.2, 0), rel=0.15, abs=0.1)
