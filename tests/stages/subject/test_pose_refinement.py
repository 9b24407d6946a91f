from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pytest
from posed_actor import PosedActor

from stages.geometry.canonical import pose
from stages.subject.pose_refinement import PoseRefinement, PoseRefiner
from stages.subject.warp_residual import FACE_POINTS

FRAMES = 24


def wrong(head_T7: np.ndarray, *, seed: int = 0) -> np.ndarray:
    """Tracks beside the truth by a px or two, some of it constant, some wandering; the first frame is the reference."""
    random = np.random.default_rng(seed)
    wander_T7 = np.cumsum(random.normal(0, 0.35, head_T7.shape), axis=0)
    wander_T7 -= wander_T7[0]
    error_T7 = wander_T7 * np.array([0.5, 0.5, 0.6, 1.0, 1.0, 0, 0.003]) + np.array(
        [0, 0, 0.5, 1.4, -0.9, 0, 0.004]
    )
    error_T7[0] = 0
    return (head_T7 + error_T7).astype(np.float32)


def refined(actor: PosedActor, frames: Iterable[np.ndarray], tracked_T7: np.ndarray) -> PoseRefinement:
    refiner = PoseRefiner(
        control=actor.control,
        canonical_TN3=np.repeat(actor.canonical_N3[None], len(tracked_T7), axis=0),
        head_T7=tracked_T7,
        torso_TN3=np.repeat(actor.torso_18x3[None], len(tracked_T7), axis=0),
        reference=0,
        reference_HW3=actor.reference_HW3,
    )
    for frame_HW3 in frames:
        refiner.see(frame_HW3)
    return refiner.refined()


def away(actor: PosedActor, head_T7: np.ndarray, true_T7: np.ndarray) -> np.ndarray:
    """Median distance (T,) of the face's points from where they are, px."""
    canonical_TI3 = np.repeat(actor.canonical_N3[None, FACE_POINTS], len(true_T7), axis=0)
    apart_TI2 = (pose(canonical_TI3, head_T7) - pose(canonical_TI3, true_T7))[..., :2]
    return np.median(np.linalg.norm(apart_TI2, axis=-1), axis=1)


@pytest.mark.parametrize("name", ["actor-a", "actor-b", "actor-c"])
def test_the_true_pose_is_found_again(name: str):
    actor = PosedActor.of(name)
    true_T7 = actor.heads(FRAMES)
    true_T7[0] = actor.head_7
    tracked_T7 = wrong(true_T7)
    result = refined(actor, map(actor.frame, true_T7), tracked_T7)
    before, after = away(actor, tracked_T7, true_T7)[1:], away(actor, result.head_T7, true_T7)[1:]
    assert np.median(before) > 1.2
    assert np.median(after) < 0.3
    assert result.account.refined >= FRAMES - 2
    assert result.account.refined + result.account.dropped == result.account.frames == FRAMES
    assert result.account.shift_after_px is not None
    assert result.account.shift_before_px is not None
    assert result.account.shift_after_px < 0.3 < 1.0 < result.account.shift_before_px


def test_a_pose_that_is_right_stays():
    actor = PosedActor.of("actor-b")
    # Slow: what the smoothing at the end takes is not the question here.
    true_T7 = actor.heads(60)[:FRAMES]
    true_T7[0] = actor.head_7
    true_T7[1:] = actor.head_7 + (true_T7[1:] - actor.head_7) * 0.2
    result = refined(actor, map(actor.frame, true_T7), true_T7)
    assert away(actor, result.head_T7, true_T7)[2:].max() < 0.35


def test_a_frame_whose_face_is_covered_follows_its_neighbours_and_is_told():
    actor = PosedActor.of("actor-a")
    true_T7 = actor.heads(FRAMES)
    true_T7[0] = actor.head_7
    tracked_T7 = wrong(true_T7)
    frames = list(map(actor.frame, true_T7))
    covered = [10, 11]
    noise = np.random.default_rng(3)
    for index in covered:
        frames[index] = noise.integers(0, 256, frames[index].shape, dtype=np.uint8)
    result = refined(actor, frames, tracked_T7)
    assert result.account.dropped >= len(covered)
    assert away(actor, result.head_T7, true_T7)[covered].max() < 1.0


def test_pictures_that_show_nothing_move_nothing():
    actor = PosedActor.of("actor-a")
    tracked_T7 = wrong(actor.heads(FRAMES))
    grey_HW3 = np.full((512, 512, 3), 128, np.uint8)
    result = refined(actor, [grey_HW3] * FRAMES, tracked_T7)
    assert away(actor, result.head_T7, tracked_T7).max() < 1.5


def test_a_reference_whose_tracked_pose_is_off_moves_the_others_and_not_itself():
    actor = PosedActor.of("actor-a")
    true_T7 = actor.heads(FRAMES)
    true_T7[0] = actor.head_7
    tracked_T7 = true_T7.copy()
    tracked_T7[1:, 3:5] += np.array([4.5, -2.0], np.float32)
    result = refined(actor, map(actor.frame, true_T7), tracked_T7)
    assert np.array_equal(result.head_T7[0], tracked_T7[0])
    assert np.median(away(actor, result.head_T7, true_T7)[2:]) < 0.4


def test_the_same_pictures_give_the_same_bytes():
    actor = PosedActor.of("actor-c")
    true_T7 = actor.heads(6)
    tracked_T7 = wrong(true_T7)
    frames = list(map(actor.frame, true_T7))
    first, second = (refined(actor, iter(frames), tracked_T7) for _ in range(2))
    assert np.array_equal(first.head_T7, second.head_T7)
    assert first.account == second.account
