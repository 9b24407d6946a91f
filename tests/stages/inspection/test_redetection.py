"""The face found against the face commanded. Legend: N points, 3 = (x, y, z)."""

from __future__ import annotations

import numpy as np
import pytest
from average_actor import average_template

from stages.geometry.landmarks import INNER_LIP_TOP_BOTTOM, LIPS
from stages.inspection.redetection import LEAST_RANGE_PX, face_errors, opening_response
from stages.inspection.sampling import sampled_frames

MESH_N3 = average_template().mesh_N3
TOP, BOTTOM = INNER_LIP_TOP_BOTTOM


def opened(px: float) -> np.ndarray:
    mesh_N3 = MESH_N3.copy()
    mesh_N3[BOTTOM, 1] += px
    return mesh_N3


def test_the_same_face_has_no_error() -> None:
    errors = face_errors(MESH_N3, MESH_N3)
    assert errors.mouth_px == pytest.approx(0, abs=1e-4)
    assert errors.face_px == 0


def test_a_face_in_another_place_errs_as_a_face_and_not_as_a_mouth() -> None:
    turn = np.deg2rad(3)
    rotation_22 = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    moved_N3 = MESH_N3.copy()
    moved_N3[:, :2] = 1.05 * MESH_N3[:, :2] @ rotation_22.T + [9, -4]
    errors = face_errors(moved_N3, MESH_N3)
    assert errors.mouth_px == pytest.approx(0, abs=1e-3)
    assert errors.face_px > 5
    assert errors.opening_px == pytest.approx(errors.commanded_opening_px, abs=1e-3)


def test_lips_in_another_place_err_by_their_distance() -> None:
    moved_N3 = MESH_N3.copy()
    moved_N3[LIPS, 0] += 4
    assert face_errors(moved_N3, MESH_N3).mouth_px == pytest.approx(4, abs=1e-3)


def test_the_response_is_one_for_a_mouth_that_follows_and_none_for_one_that_stays_shut() -> None:
    openings = (0.0, 4.0, 8.0)
    follows = [face_errors(opened(px), opened(px)) for px in openings]
    stays = [face_errors(MESH_N3, opened(px)) for px in openings]
    assert opening_response(follows) == pytest.approx(1, abs=1e-3)
    assert opening_response(stays) == pytest.approx(0, abs=1e-3)


def test_a_mouth_that_is_hardly_commanded_to_move_is_not_judged() -> None:
    errors = [face_errors(MESH_N3, opened(px)) for px in (0.0, LEAST_RANGE_PX / 2)]
    assert opening_response(errors) is None
    assert opening_response([]) is None


@pytest.mark.parametrize("frames", [1, 2, 13, 50])
def test_the_sample_is_small_and_holds_the_widest_and_the_most_closed_mouth(frames: int) -> None:
    openings_T = np.random.default_rng(3).uniform(0, 9, frames)
    sample = sampled_frames(np.stack([opened(px) for px in openings_T]))
    assert len(sample) <= min(8, frames)
    assert sample == tuple(sorted(set(sample)))
    assert {int(openings_T.argmin()), int(openings_T.argmax())} <= set(sample)
    assert all(0 <= frame < frames for frame in sample)
