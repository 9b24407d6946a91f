from __future__ import annotations

import numpy as np
import pytest

from stages.subject.torso import is_moving, shoulder_columns, shoulder_heights, torso_track

COLUMNS_18 = np.concatenate([np.linspace(4, 150, 9), np.linspace(362, 508, 9)]).astype(np.float32)


def body_below(edge_W: np.ndarray, *, size: int) -> np.ndarray:
    """Mask of a body whose upper edge (px of the mask) is softened over one pixel, as a segmenter's is."""
    rows_H1 = np.arange(size)[:, None] + 0.5
    return np.clip(rows_H1 - edge_W[None] + 0.5, 0, 1)


def slanted(x: np.ndarray) -> np.ndarray:
    return 380 + 0.25 * np.abs(x - 256)


@pytest.mark.parametrize("size", [512, 256])
def test_a_slanted_edge_is_found_to_a_fraction_of_a_pixel(size: int):
    centres_W = (np.arange(size) + 0.5) * (512 / size)
    mask_HW = body_below(slanted(centres_W) * (size / 512), size=size)
    found_18 = shoulder_heights(mask_HW, COLUMNS_18)
    assert np.abs(found_18 - slanted(COLUMNS_18)).max() < 0.3


def test_a_shift_of_half_a_pixel_is_seen():
    x_W = np.arange(512) + 0.5
    before, after = (
        shoulder_heights(body_below(slanted(x_W) + shift, size=512), COLUMNS_18) for shift in (0, 0.5)
    )
    np.testing.assert_allclose(after - before, 0.5, atol=0.05)


def test_what_floats_above_the_body_is_not_a_shoulder():
    x_W = np.arange(512) + 0.5
    mask_HW = body_below(slanted(x_W), size=512)
    mask_HW[50:100, 20:60] = 1
    np.testing.assert_allclose(shoulder_heights(mask_HW, COLUMNS_18), slanted(COLUMNS_18), atol=0.3)


def test_hair_beside_the_face_is_not_a_shoulder():
    x_W = np.arange(512) + 0.5
    mask_HW = body_below(slanted(x_W), size=512)
    mask_HW[:, 362:390] = 1  # long hair: a person from top to bottom
    found_18 = shoulder_heights(mask_HW, COLUMNS_18, highest=250)
    assert np.abs(found_18 - slanted(COLUMNS_18)).max() < 12
    assert found_18.min() > 380


def test_a_side_that_is_nearly_all_hair_counts_as_not_visible():
    mask_HW = body_below(slanted(np.arange(512) + 0.5), size=512)
    mask_HW[:, 362:490] = 1
    found_18 = shoulder_heights(mask_HW, COLUMNS_18, highest=250)
    np.testing.assert_array_equal(found_18[9:], 512)
    np.testing.assert_allclose(found_18[:9], slanted(COLUMNS_18)[:9], atol=0.3)


def test_without_a_body_the_shoulders_are_at_the_bottom():
    np.testing.assert_allclose(shoulder_heights(np.zeros((512, 512)), COLUMNS_18), 511.5, atol=0.6)


def still_mesh(frames: int) -> np.ndarray:
    x_N = np.linspace(150, 362, 478)
    mesh_TN3 = np.zeros((frames, 478, 3))
    mesh_TN3[..., 0], mesh_TN3[..., 2] = x_N, 7
    return mesh_TN3


def test_columns_run_from_the_edges_of_the_picture_to_the_face():
    columns_18 = shoulder_columns(still_mesh(5))
    assert (np.diff(columns_18) > 0).all()
    assert (columns_18[0], columns_18[8], columns_18[9], columns_18[17]) == (4, 150, 362, 508)


def heights(frames: int = 40) -> np.ndarray:
    sway_T = 3 * np.sin(np.arange(frames) / 15)
    return (slanted(COLUMNS_18)[None] + sway_T[:, None]).astype(np.float32)


def test_a_jump_is_removed():
    jumping_T18 = heights()
    jumping_T18[20] -= 100
    calm, repaired = (torso_track(track, COLUMNS_18, still_mesh(40)) for track in (heights(), jumping_T18))
    assert np.abs(repaired - calm).max() < 1


def test_slow_motion_is_kept_and_the_depth_is_the_faces():
    torso_TN3 = torso_track(heights(), COLUMNS_18, still_mesh(40))
    assert torso_TN3.shape == (40, 18, 3)
    assert torso_TN3.dtype == np.float32
    np.testing.assert_array_equal(torso_TN3[0, :, 0], COLUMNS_18)
    np.testing.assert_allclose(torso_TN3[..., 1], heights(), atol=0.3)
    np.testing.assert_allclose(torso_TN3[..., 2], 7)


@pytest.mark.parametrize("frames", [1, 2, 4])
def test_a_very_short_clip_has_shoulders_too(frames: int):
    assert torso_track(heights(frames), COLUMNS_18, still_mesh(frames)).shape == (frames, 18, 3)


def test_only_shoulders_that_move_are_said_to_move():
    assert is_moving(torso_track(heights(), COLUMNS_18, still_mesh(40)))
    assert not is_moving(torso_track(heights()[:1].repeat(40, axis=0), COLUMNS_18, still_mesh(40)))
