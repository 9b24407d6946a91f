"""Clips made up of few numbers, for whatever learns from motion or judges it."""

from __future__ import annotations

import numpy as np
from average_actor import average_template
from scipy.ndimage import gaussian_filter1d

from stages.geometry.landmarks import EYES, LIPS
from stages.training.motion_data import MotionClip


def moving_clip(*, frames: int, seed: int = 0, speech_width: int = 4, torso_moves: bool = True) -> MotionClip:
    """Slow random motion of a few px, degrees and hundredths, and speech features that have nothing to do with it."""
    random = np.random.default_rng(seed)
    rows_TC = 3 * _waves(random, frames, 361)
    rows_TC[:, 306] *= 0.01
    mesh_TN3 = np.zeros((frames, 478, 3), dtype=np.float32)
    mesh_TN3[:, LIPS] = rows_TC[:, :120].reshape(frames, -1, 3)
    mesh_TN3[:, EYES] = rows_TC[:, 120:300].reshape(frames, -1, 3)
    return MotionClip(
        speaker=f"speaker {seed}",
        features_TD=_waves(random, frames, speech_width),
        rows_TC=rows_TC,
        mesh_TN3=mesh_TN3,
        template=average_template(),
        torso_moves=torso_moves,
    )


def _waves(random: np.random.Generator, frames: int, channels: int) -> np.ndarray:
    """Tracks (T, C) about zero, of unit size, that take half a second to change."""
    noise_TC = random.normal(size=(frames, channels))
    return (8 * gaussian_filter1d(noise_TC, 10, axis=0)).astype(np.float32)
