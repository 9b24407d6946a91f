from __future__ import annotations

import numpy as np
import pytest
from average_actor import average_template

from stages.geometry.canonical import FACE_CENTRE, canonicalise, head_rotation, pose
from stages.geometry.landmarks import LIPS
from stages.subject.face_smoothing import BONE, JAW
from stages.subject.rigid_bone import on_rigid_bone

FRAMES = 50
UPPER_LIP, LOWER_LIP = 13, 14


def swaying(canonical_TN3: np.ndarray, *, seed: int = 0) -> np.ndarray:
    """Canonical meshes as of a tracker whose head's centre, turn and scale wobble."""
    random = np.random.default_rng(seed)
    turn = head_rotation(random.normal(0, 1.5, (FRAMES, 3))).as_matrix()
    scale = 1 + random.normal(0, 0.01, (FRAMES, 1, 1))
    moved = scale * np.einsum("tij,tnj->tni", turn, canonical_TN3 - FACE_CENTRE) + FACE_CENTRE
    return (moved + random.normal(0, 1.0, (FRAMES, 1, 3))).astype(np.float32)


@pytest.fixture
def talking_TN3() -> np.ndarray:
    mesh_TN3 = np.tile(average_template().mesh_N3, (FRAMES, 1, 1))
    mesh_TN3[:, LOWER_LIP, 1] += 6 * np.sin(np.arange(FRAMES) / 3) ** 2
    return mesh_TN3


@pytest.fixture
def heads_T7() -> np.ndarray:
    head_T7 = np.tile(average_template().head_7, (FRAMES, 1))
    head_T7[:, :3] += 12 * np.sin(np.arange(FRAMES)[:, None] / np.array([7, 5, 11]))
    return head_T7.astype(np.float32)


def test_posed_points_stay_where_they_were(talking_TN3, heads_T7):
    sway_TN3 = swaying(talking_TN3)
    rigid_TN3, rigid_T7 = on_rigid_bone(sway_TN3, heads_T7)
    apart_TN = np.abs(pose(rigid_TN3, rigid_T7) - pose(sway_TN3, heads_T7)).max(axis=-1)
    assert apart_TN[:, [*LIPS, *JAW]].max() < 0.02
    # Bone and eyes too, since the sway was all they did; but the mean of turned heads is a little smaller.
    assert apart_TN.max() < 0.25


def test_sway_of_the_whole_mesh_belongs_to_the_head_and_lips_keep_their_motion(talking_TN3, heads_T7):
    rigid_TN3, _ = on_rigid_bone(swaying(talking_TN3), heads_T7)
    assert (rigid_TN3[:, BONE] == rigid_TN3[0, BONE]).all()
    assert rigid_TN3[:, UPPER_LIP].std(axis=0).max() < 0.02
    opening_T = np.linalg.norm(rigid_TN3[:, UPPER_LIP] - rigid_TN3[:, LOWER_LIP], axis=-1)
    true_T = np.linalg.norm(talking_TN3[:, UPPER_LIP] - talking_TN3[:, LOWER_LIP], axis=-1)
    assert np.corrcoef(opening_T, true_T)[0, 1] > 0.9999


def test_canonical_space_keeps_its_centre_and_its_distance_between_the_eyes(talking_TN3, heads_T7):
    noisy_TN3 = swaying(talking_TN3)
    noisy_TN3 += np.random.default_rng(3).normal(0, 0.4, noisy_TN3.shape).astype(np.float32)
    tracked_TN3, tracked_T7 = canonicalise(pose(noisy_TN3, heads_T7), heads_T7[:, :3])
    rigid_TN3, rigid_T7 = on_rigid_bone(tracked_TN3, tracked_T7)
    again_TN3, again_T7 = canonicalise(pose(rigid_TN3, rigid_T7), rigid_T7[:, :3])
    assert np.allclose(again_TN3, rigid_TN3, atol=1e-3)
    assert np.allclose(again_T7, rigid_T7, atol=1e-3)


def test_what_single_points_of_the_bone_do_turns_no_head(talking_TN3, heads_T7):
    noisy_TN3 = talking_TN3.copy()
    noisy_TN3[:, BONE] += np.random.default_rng(1).normal(0, 0.5, (FRAMES, len(BONE), 3)).astype(np.float32)
    _, rigid_T7 = on_rigid_bone(noisy_TN3, heads_T7)
    assert np.abs(rigid_T7[:, :3] - heads_T7[:, :3]).max() < 0.2


def test_meshes_that_do_not_sway_are_left_as_they_are(talking_TN3, heads_T7):
    rigid_TN3, rigid_T7 = on_rigid_bone(talking_TN3, heads_T7)
    assert np.allclose(rigid_TN3, talking_TN3, atol=1e-3)
    assert np.allclose(rigid_T7, heads_T7, atol=1e-3)
