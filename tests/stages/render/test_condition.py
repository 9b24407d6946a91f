from __future__ import annotations

import numpy as np
import pytest
from average_actor import average_template

from stages.geometry.canonical import pose
from stages.geometry.landmarks import INNER_LIP_RING, LEFT_EYE, OUTER_LIP_RING, RIGHT_EYE
from stages.render.condition import ConditionPainter

TEMPLATE = average_template()
MESH_N3 = pose(TEMPLATE.mesh_N3[None], TEMPLATE.head_7[None])[0]


def paint(size: int = 512, *, shift: tuple[float, float] = (0, 0)) -> np.ndarray:
    moved_3 = np.array([*shift, 0], dtype=np.float32)
    return ConditionPainter(size).paint(MESH_N3 + moved_3, TEMPLATE.torso_N3 + moved_3)


def colours_at(image_HW3: np.ndarray, points_N3: np.ndarray) -> np.ndarray:
    pixels_N2 = np.floor(points_N3[:, :2] * (len(image_HW3) / 512)).astype(int)
    return image_HW3[pixels_N2[:, 1], pixels_N2[:, 0]].astype(int)


@pytest.mark.parametrize("size", [512, 256])
def test_the_subjects_left_eye_is_green_and_the_right_one_red(size: int):
    image_HW3 = paint(size)
    assert image_HW3.shape == (size, size, 3)
    assert image_HW3.dtype == np.uint8
    left_N3, right_N3 = (colours_at(image_HW3, MESH_N3[eye]) for eye in (LEFT_EYE, RIGHT_EYE))
    assert (left_N3[:, 1] > left_N3[:, 0] + 100).mean() > 0.8
    assert (right_N3[:, 0] > right_N3[:, 1] + 100).mean() > 0.8
    assert MESH_N3[LEFT_EYE, 0].mean() > MESH_N3[RIGHT_EYE, 0].mean(), "the subject looks at us"


def test_lips_and_shoulders_are_pale_and_skin_is_grey_on_black():
    image_HW3 = paint()
    lips_N3 = colours_at(image_HW3, MESH_N3[np.concatenate([OUTER_LIP_RING, INNER_LIP_RING])])
    assert np.median(lips_N3) == pytest.approx(224, abs=3)
    assert np.median(colours_at(image_HW3, TEMPLATE.torso_N3)) == pytest.approx(225, abs=3)
    cheek_N3 = colours_at(image_HW3, MESH_N3[[50, 280, 205, 425]])
    assert (np.ptp(cheek_N3, axis=1) == 0).all()
    assert np.median(cheek_N3) == pytest.approx(128, abs=20)
    assert (image_HW3[:20, :20] == 0).all()


def test_points_out_of_the_canvas_are_cut_off():
    painter = ConditionPainter(64)
    for far in (600.0, -600.0, 1e9, -1e9):
        image_HW3 = painter.paint(MESH_N3 + np.float32(far), TEMPLATE.torso_N3 - np.float32(far))
        assert image_HW3.shape == (64, 64, 3)
        assert image_HW3.max() == 0


def test_a_half_visible_face_is_drawn_up_to_the_edge():
    image_HW3 = paint(shift=(-256, 0))
    assert image_HW3[:, 0].max() > 0


@pytest.mark.parametrize("shift", [(0.25, 0.0), (0.0, 0.25)])
def test_motion_below_a_pixel_changes_the_picture(shift: tuple[float, float]):
    before, after = paint(256).astype(int), paint(256, shift=shift).astype(int)
    changed = np.abs(after - before)
    assert (changed > 0).any(axis=2).mean() > 0.02
    assert changed.mean() < 5


def test_a_shift_by_whole_pixels_shifts_the_picture():
    before, after = paint(256), paint(256, shift=(2, 4))
    np.testing.assert_array_equal(after[2:, 1:], before[:-2, :-1])


def test_lines_lie_where_the_points_are_in_every_size():
    """Centres of the left eye, found by colour, agree with its points to a fraction of a pixel."""
    for size in (512, 256, 128):
        image_HW3 = paint(size).astype(int)
        weight_HW = np.maximum(image_HW3[..., 1] - image_HW3[..., 0] - 40, 0).astype(float)
        box_N2 = MESH_N3[LEFT_EYE, :2] * (size / 512)
        (left, top), (right, bottom) = box_N2.min(0) - 2, box_N2.max(0) + 2
        rows, columns = np.mgrid[:size, :size] + 0.5
        inside = (columns > left) & (columns < right) & (rows > top) & (rows < bottom)
        centre_x = (weight_HW * columns)[inside].sum() / weight_HW[inside].sum()
        assert centre_x == pytest.approx((left + right) / 2, abs=1.5 * size / 256)


def test_the_same_face_gives_the_same_bytes():
    np.testing.assert_array_equal(paint(128), paint(128))
