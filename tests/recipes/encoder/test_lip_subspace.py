from __future__ import annotations

from dataclasses import replace

import numpy as np
from motion_clips import moving_clip

from recipes.encoder.lip_subspace import lip_directions
from stages.training.motion_data import MotionClip

FEATURES = 12


def a_clip(seed: int, *, telling: np.ndarray) -> MotionClip:
    """Lips that follow two directions of the features; the other features say nothing, and say it louder."""
    random = np.random.default_rng(seed)
    clip = moving_clip(frames=300, seed=seed)
    features_TD = random.normal(size=(300, FEATURES)) * np.linspace(1, 9, FEATURES)
    rows_TC = np.zeros_like(clip.rows_TC)
    rows_TC[:, 0:120:3] = (features_TD @ telling[:, 0])[:, None]
    rows_TC[:, 1:120:3] = 0.5 * (features_TD @ telling[:, 1])[:, None]
    return replace(clip, features_TD=features_TD.astype(np.float32), rows_TC=rows_TC)


def test_the_directions_are_those_that_tell_lips_the_most_telling_first():
    telling = np.zeros((FEATURES, 2))
    telling[2, 0], telling[5, 1] = 1.0, 1.0
    found_DP = lip_directions([a_clip(seed, telling=telling) for seed in range(6)], count=2)
    for place, feature in enumerate((2, 5)):
        direction = np.abs(found_DP[:, place]) * np.linspace(1, 9, FEATURES)
        assert direction.argmax() == feature
        assert direction[feature] > 3 * np.delete(direction, feature).max()
