"""What a clip of a digital actor shows beside the face, with the trackers themselves."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import pytest

from stages.video.decoding import read_frames

FRAMES = 40


@pytest.fixture(scope="module")
def observation():
    try:
        import stages.subject.observation as module
    except (ImportError, OSError) as error:
        pytest.skip(f"MediaPipe cannot be loaded: {error}")
    return module


@pytest.fixture(scope="module")
def actor(data: Path) -> list[np.ndarray]:
    frames = islice(read_frames(data / "actors" / "actor_c.mp4"), FRAMES)
    return [cv2.resize(frame_HW3, (512, 512), interpolation=cv2.INTER_AREA) for frame_HW3 in frames]


def observed(observation, frames: list[np.ndarray]):
    plan = observation.ShoulderPlan(columns_18=np.linspace(40, 472, 18, dtype=np.float32), highest=250.0)
    return observation.observe(iter(frames), frame_count=FRAMES, shoulders=plan, where="actor")


@pytest.mark.parametrize(("reach", "moves"), [(0, False), (30, True)])
def test_a_camera_that_pans_over_an_actor_is_seen(
    observation, actor, tmp_path: Path, reach: float, moves: bool
):
    frames = []
    for index, frame_HW3 in enumerate(actor):
        x = reach * (2 * index / FRAMES - 1)
        matrix = np.array([[1.15, 0, 256 * -0.15 + x], [0, 1.15, 256 * -0.15]])
        frames.append(cv2.warpAffine(frame_HW3, matrix, (512, 512), flags=cv2.INTER_LINEAR))
    seen = observed(observation, frames)
    assert seen.camera.told_share == 1
    assert (seen.camera.moved_px > 3) is moves
    assert seen.covered == ()
    assert not seen.hands_K3[:, 1].any()
    seen.save(tmp_path / "observed.npz")
    kept = observation.Observation.load(tmp_path / "observed.npz")
    assert kept.camera == seen.camera
    np.testing.assert_array_equal(kept.hands_K3, seen.hands_K3)


def test_what_an_earlier_version_observed_is_observed_again(observation, tmp_path: Path):
    np.savez(tmp_path / "observed.npz", mesh_TN3=np.zeros((2, 478, 3)), found_T=np.ones(2, bool))
    assert observation.Observation.load(tmp_path / "observed.npz") is None
