from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter1d

from stages.subject.audio_offset import LONGEST_LAG, compare, lip_measures


def moving_lips(seed: int, frames: int = 250) -> np.ndarray:
    """Three measures that move as fast as lips do."""
    return gaussian_filter1d(np.random.default_rng(seed).normal(size=(frames, 3)), 1.5, axis=0)


@settings(deadline=None, max_examples=30)
@given(lag=st.integers(-LONGEST_LAG, LONGEST_LAG), seed=st.integers(0, 1000), noise=st.floats(0, 0.2))
def test_any_lag_is_found_through_noise(lag: int, seed: int, noise: float):
    lips = moving_lips(seed, 300)
    # Sound that lags by `lag` is heard that many frames after it is seen.
    seen, heard = lips[20:270], lips[20 - lag : 270 - lag]
    heard = heard + np.random.default_rng(seed + 1).normal(scale=noise, size=heard.shape)
    assert compare(heard, seen).lag == lag


def test_lips_that_fit_are_clear_and_strangers_are_not():
    lips = moving_lips(0)
    assert compare(lips, lips).is_clear
    for seed in range(1, 40):
        assert not compare(moving_lips(seed), lips).is_clear


def test_a_still_face_is_never_clear():
    offset = compare(moving_lips(0), np.zeros((250, 3)))
    assert not offset.is_clear
    assert offset.correlation == 0


def test_a_clip_too_short_to_be_shifted_is_not_clear():
    lips = moving_lips(0, 20)
    assert not compare(lips, lips).is_clear


def test_the_lag_of_recordings_of_unequal_length_is_found():
    lips = moving_lips(3, 300)
    assert compare(lips[:280], lips[5:]).lag == 5


def test_posture_that_drifts_does_not_count():
    mesh_TN3 = np.zeros((200, 478, 3), np.float32)
    mesh_TN3[:, 14, 1] = np.linspace(0, 30, 200)
    assert np.abs(lip_measures(mesh_TN3)[40:160, 0]).max() == pytest.approx(0, abs=0.1)
