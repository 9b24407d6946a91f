from __future__ import annotations

import numpy as np
import pytest
from average_actor import average_template

from stages.geometry.landmarks import EYES, INNER_LIP_TOP_BOTTOM, LIPS, MESH_SIZE
from stages.subject.face_smoothing import BONE, JAW, smooth_face, smooth_head, without_noise

FRAMES = 200
CHIN, FOREHEAD = 152, 10


def wave(hertz: float) -> np.ndarray:
    return np.sin(2 * np.pi * hertz * np.arange(FRAMES) / 25).astype(np.float32)


def gain(smooth_T: np.ndarray, wave_T: np.ndarray) -> float:
    inner = slice(20, -20)
    return float(smooth_T[inner] @ wave_T[inner] / (wave_T[inner] @ wave_T[inner]))


def talking(hertz: float, *vertices: int) -> np.ndarray:
    """Meshes of which some vertices move up and down by 5 px."""
    mesh_TN3 = np.tile(average_template().mesh_N3, (FRAMES, 1, 1))
    mesh_TN3[:, vertices, 1] += 5 * wave(hertz)[:, None]
    return mesh_TN3


def test_every_vertex_belongs_to_one_part():
    parts = np.concatenate([LIPS, EYES, JAW, BONE])
    assert np.array_equal(np.sort(parts), np.arange(MESH_SIZE))
    assert CHIN in JAW
    assert FOREHEAD in BONE


@pytest.mark.parametrize("sigma", [0.5, 0.9, 1.7])
def test_a_blow_is_spread_evenly_before_and_after_it(sigma: float):
    blow_T = np.zeros(41, np.float32)
    blow_T[20] = 1
    spread_T = without_noise(blow_T, sigma=sigma)
    assert np.allclose(spread_T, spread_T[::-1], atol=1e-7)
    assert spread_T.sum() == pytest.approx(1, abs=1e-5)


def test_what_stands_still_stays_to_the_ends():
    still_T = np.full((9, 2), 7.25, np.float32)
    assert np.allclose(without_noise(still_T, sigma=1.7), still_T)


def test_more_of_a_motion_is_kept_than_one_gaussian_as_calm_would_keep():
    from scipy.ndimage import gaussian_filter1d

    noise_T = np.random.default_rng(0).normal(size=4000).astype(np.float32)
    calm = np.diff(without_noise(noise_T, sigma=0.9), 2).std()
    assert calm < np.diff(gaussian_filter1d(noise_T, 0.62), 2).std()
    assert (
        gain(without_noise(wave(3), sigma=0.9), wave(3))
        > gain(gaussian_filter1d(wave(3), 0.62), wave(3)) + 0.03
    )


@pytest.mark.parametrize(("hertz", "least"), [(1.0, 0.99), (3.0, 0.95), (5.0, 0.77)])
def test_lips_keep_what_speech_moves(hertz: float, least: float):
    top = int(INNER_LIP_TOP_BOTTOM[0])
    smooth_TN3 = smooth_face(talking(hertz, top))
    assert gain(smooth_TN3[:, top, 1] - smooth_TN3[:, top, 1].mean(), 5 * wave(hertz)) > least


def test_the_chin_goes_along_and_bone_does_not():
    smooth_TN3 = smooth_face(talking(4.0, CHIN, FOREHEAD))
    kept = [
        gain(smooth_TN3[:, vertex, 1] - smooth_TN3[:, vertex, 1].mean(), 5 * wave(4.0))
        for vertex in (CHIN, FOREHEAD)
    ]
    assert kept[0] > 0.75
    assert kept[1] < 0.5


def test_a_head_is_neither_late_nor_damped():
    head_T7 = np.repeat(average_template().head_7[None], FRAMES, axis=0)
    head_T7[:, 1] += 4 * wave(2.0)
    smooth_T7 = smooth_head(head_T7)
    assert gain(smooth_T7[:, 1] - head_T7[0, 1], 4 * wave(2.0)) > 0.98
    assert np.allclose(smooth_T7[20:-20, 1], head_T7[20:-20, 1], atol=0.1)
