from __future__ import annotations

import cv2
import numpy as np
import pytest
from posed_actor import PosedActor

from stages.subject.torso_refinement import TorsoRefinement, TorsoRefiner

FRAMES = 20
CHIN = 152


def swaying(count: int) -> np.ndarray:
    """(T, 3) shifts in px and turns in radians; none at first."""
    phase_T = 2 * np.pi * np.arange(count) / 20
    return np.stack([12 * np.sin(phase_T), 3 * np.sin(0.7 * phase_T), 0.02 * np.sin(phase_T)], axis=-1)


def moved(points_I2: np.ndarray, motion_3: np.ndarray) -> np.ndarray:
    turn, centre_2 = motion_3[2], np.array([256.0, 430.0])
    rotation_22 = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    return (points_I2 - centre_2) @ rotation_22.T + centre_2 + motion_3[:2]


def true_torso(actor: PosedActor, motion_T3: np.ndarray) -> np.ndarray:
    torso_TN3 = np.repeat(actor.torso_18x3[None], len(motion_T3), axis=0)
    for torso_18x3, motion_3 in zip(torso_TN3, motion_T3, strict=True):
        torso_18x3[:, :2] = moved(actor.torso_18x3[:, :2], motion_3)
    return torso_TN3


def frames_of(actor: PosedActor, motion_T3: np.ndarray) -> list[np.ndarray]:
    """The whole picture moves, and with it the body."""
    corners_32 = np.array([[0, 0], [500, 0], [0, 500]], np.float64)
    return [
        cv2.warpAffine(
            actor.reference_HW3,
            cv2.getAffineTransform(
                (corners_32 - 0.5).astype(np.float32), (moved(corners_32, motion_3) - 0.5).astype(np.float32)
            ),
            (512, 512),
            flags=cv2.INTER_CUBIC,
            borderMode=cv2.BORDER_REPLICATE,
        )
        for motion_3 in motion_T3
    ]


def as_tracked(torso_TN3: np.ndarray) -> np.ndarray:
    """Heights at fixed columns: what a mask of the person tells."""
    tracked_TN3 = np.repeat(torso_TN3[:1], len(torso_TN3), axis=0)
    for tracked_18x3, torso_18x3 in zip(tracked_TN3, torso_TN3, strict=True):
        tracked_18x3[:, 1] = np.interp(tracked_18x3[:, 0], torso_18x3[:, 0], torso_18x3[:, 1])
    return tracked_TN3


def refined(
    frames: list[np.ndarray], tracked_TN3: np.ndarray, *, chin: float, reference_HW3: np.ndarray
) -> TorsoRefinement:
    refiner = TorsoRefiner(torso_TN3=tracked_TN3, chin=chin, reference=0, reference_HW3=reference_HW3)
    for frame_HW3 in frames:
        refiner.see(frame_HW3)
    return refiner.refined()


def refined_of(actor: PosedActor, frames: list[np.ndarray], tracked_TN3: np.ndarray) -> TorsoRefinement:
    return refined(frames, tracked_TN3, chin=float(actor.mesh()[CHIN, 1]), reference_HW3=actor.reference_HW3)


@pytest.mark.parametrize("name", ["actor-a", "actor-b", "actor-c"])
def test_sideways_and_turn_are_found(name: str):
    actor = PosedActor.of(name)
    true_TN3 = true_torso(actor, swaying(FRAMES))
    tracked_TN3 = as_tracked(true_TN3)
    result = refined_of(actor, frames_of(actor, swaying(FRAMES)), tracked_TN3)
    # The ends of a sway are rounded off by the smoothing; what is in between is not.
    apart_T = np.linalg.norm((result.torso_TN3 - true_TN3)[..., :2], axis=-1).mean(axis=1)
    assert np.median(apart_T) < 0.5
    assert np.array_equal(result.torso_TN3[..., 2], tracked_TN3[..., 2])
    account = result.account
    assert account.refined >= FRAMES - 2
    assert account.shift_after_px is not None
    assert account.shift_before_px is not None
    assert account.shift_after_px < 0.3 < 2 < account.shift_before_px


def test_a_torso_that_is_not_seen_stays_as_it_was_tracked():
    actor = PosedActor.of("actor-a")
    tracked_TN3 = np.repeat(actor.torso_18x3[None], FRAMES, axis=0)
    tracked_TN3[..., 1] = 512
    result = refined_of(actor, frames_of(actor, swaying(FRAMES)), tracked_TN3)
    assert np.array_equal(result.torso_TN3, tracked_TN3)
    assert (result.account.refined, result.account.shift_before_px) == (0, None)


def test_cloth_without_any_mark_is_not_guessed_at():
    actor = PosedActor.of("actor-a")
    flat_HW3 = np.full((512, 512, 3), 90, np.uint8)
    tracked_TN3 = as_tracked(true_torso(actor, swaying(FRAMES)))
    result = refined([flat_HW3] * FRAMES, tracked_TN3, chin=330, reference_HW3=flat_HW3)
    assert np.array_equal(result.torso_TN3, tracked_TN3)
    assert result.account.dropped == FRAMES


def test_a_hand_for_a_moment_does_not_move_the_body():
    actor = PosedActor.of("actor-b")
    true_TN3 = true_torso(actor, swaying(FRAMES))
    frames = frames_of(actor, swaying(FRAMES))
    noise = np.random.default_rng(0)
    for index in (8, 9):
        frames[index][400:] = noise.integers(0, 256, frames[index][400:].shape, dtype=np.uint8)
    result = refined_of(actor, frames, as_tracked(true_TN3))
    apart_T = np.linalg.norm((result.torso_TN3 - true_TN3)[..., :2], axis=-1).mean(axis=1)
    assert apart_T[[8, 9]].max() < 4
    assert np.median(apart_T) < 0.5
