from __future__ import annotations

from importlib.resources import files

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.geometry.canonical import FACE_CENTRE, canonicalise, head_rotation, pose, rigid_rotation
from stages.geometry.landmarks import LEFT_EYE, POSE_ANCHOR, RIGHT_EYE

with np.load(str(files("stages.geometry") / "data" / "canonical_mesh.npz")) as stored:
    AVERAGE_N3 = stored["mesh_N3"].astype(np.float64)

angles = st.tuples(*[st.floats(-limit, limit) for limit in (60, 40, 40)])
places = st.tuples(st.floats(100, 400), st.floats(100, 400), st.floats(-100, 100))
scales = st.floats(0.5, 3)


def head(angles_3: tuple[float, ...], place: tuple[float, ...], scale: float) -> np.ndarray:
    return np.array([[*angles_3, *place, scale]])


@settings(deadline=None, max_examples=50)
@given(angles, places, scales, st.integers(0, 99))
def test_a_face_in_any_pose_goes_to_canonical_space_and_back(angles_3, place, scale, seed: int):
    expression_N3 = np.random.default_rng(seed).normal(0, 3, AVERAGE_N3.shape)
    image_TN3 = pose((AVERAGE_N3 + expression_N3)[None], head(angles_3, place, scale))
    canonical_TN3, head_T7 = canonicalise(image_TN3, np.array([angles_3]))
    np.testing.assert_allclose(pose(canonical_TN3, head_T7), image_TN3, atol=1e-3)


@settings(deadline=None, max_examples=50)
@given(angles, places, scales)
def test_a_canonical_face_is_upright_centred_and_120_px_between_the_eyes(angles_3, place, scale):
    image_TN3 = pose(AVERAGE_N3[None], head(angles_3, place, scale))
    canonical_TN3, head_T7 = canonicalise(image_TN3, np.array([angles_3]))
    np.testing.assert_allclose(canonical_TN3[0, POSE_ANCHOR].mean(axis=0), FACE_CENTRE, atol=1e-3)
    eyes_apart = np.abs(canonical_TN3[0, LEFT_EYE, 0] - canonical_TN3[0, RIGHT_EYE, 0]).mean()
    assert eyes_apart == pytest.approx(120, abs=1e-3)
    np.testing.assert_allclose(head_T7[0, :6], [*angles_3, *place], atol=1e-2)
    np.testing.assert_allclose(canonical_TN3[0], AVERAGE_N3, atol=2e-2)


@settings(deadline=None, max_examples=50)
@given(angles, places, scales)
def test_the_rotation_of_a_posed_face_is_recovered(angles_3, place, scale):
    image_N3 = pose(AVERAGE_N3[None], head(angles_3, place, scale))[0]
    np.testing.assert_allclose(rigid_rotation(image_N3, AVERAGE_N3), angles_3, atol=1e-2)


def test_moving_lips_do_not_turn_the_head():
    from stages.geometry.landmarks import LIPS

    speaking_N3 = AVERAGE_N3.copy()
    speaking_N3[LIPS, 1] += 20
    np.testing.assert_allclose(rigid_rotation(speaking_N3, AVERAGE_N3), 0, atol=1e-6)


def test_the_rotation_is_roll_after_yaw_after_pitch():
    yaw, pitch, roll = np.radians([20.0, -10.0, 35.0])
    about_x = [[1, 0, 0], [0, np.cos(pitch), -np.sin(pitch)], [0, np.sin(pitch), np.cos(pitch)]]
    about_y = [[np.cos(yaw), 0, np.sin(yaw)], [0, 1, 0], [-np.sin(yaw), 0, np.cos(yaw)]]
    about_z = [[np.cos(roll), -np.sin(roll), 0], [np.sin(roll), np.cos(roll), 0], [0, 0, 1]]
    expected_33 = np.array(about_z) @ np.array(about_y) @ np.array(about_x)
    found_33 = head_rotation(np.array([[20.0, -10.0, 35.0]])).as_matrix()[0]
    np.testing.assert_allclose(found_33, expected_33, atol=1e-12)


def test_the_face_centre_is_the_same_both_ways():
    assert FACE_CENTRE.tolist() == [256, 232, 128]
    centre_TN3 = pose(FACE_CENTRE[None, None], head((10, 20, 30), (11, 22, 33), 2))
    np.testing.assert_allclose(centre_TN3[0, 0], [11, 22, 33], atol=1e-5)


def test_the_left_eye_of_the_average_face_is_right_in_the_picture():
    assert AVERAGE_N3[LEFT_EYE, 0].mean() > AVERAGE_N3[RIGHT_EYE, 0].mean()
    np.testing.assert_allclose(AVERAGE_N3[POSE_ANCHOR].mean(axis=0), FACE_CENTRE, atol=1e-2)
