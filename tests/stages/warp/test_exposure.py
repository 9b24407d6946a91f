from __future__ import annotations

import numpy as np
import pytest

from stages.warp.exposure import even_exposures
from stages.warp.plate import SeenBackground

PERSON = (slice(120, None), slice(160, 360))


def filmed(gains: list[tuple[float, float, float]]) -> tuple[np.ndarray, np.ndarray]:
    """A person before a wall, under another exposure in each picture, and the masks."""
    random = np.random.default_rng(1)
    wall = random.integers(70, 110, (512, 512, 3)).astype(np.float64)
    pictures, masks = [], []
    for gain in gains:
        scene = wall + random.normal(0, 1.5, wall.shape)
        # Who turns is lit otherwise: that is no exposure.
        scene[PERSON] = random.integers(60, 160)
        pictures.append(np.clip(scene * gain, 0, 255).astype(np.uint8))
        mask = np.zeros((512, 512), np.uint8)
        mask[PERSON] = 255
        masks.append(mask)
    return np.stack(pictures), np.stack(masks)


def evened(pictures_RSS3: np.ndarray, masks_RSS: np.ndarray) -> np.ndarray:
    even_RSS3 = pictures_RSS3.copy()
    even_exposures(even_RSS3, SeenBackground.of(pictures_RSS3, masks_RSS))
    return even_RSS3


def walls(pictures_RSS3: np.ndarray) -> np.ndarray:
    return pictures_RSS3[:, :100].mean(axis=(1, 2))


def test_every_background_comes_to_the_same_level():
    gains = [(1.0, 1.0, 1.0)] * 5 + [(1.12, 1.1, 1.05), (0.9, 0.9, 0.94)]
    pictures_RSS3, masks_RSS = filmed(gains)
    even_RSS3 = evened(pictures_RSS3, masks_RSS)
    assert np.ptp(walls(pictures_RSS3), axis=0).min() > 8
    assert np.ptp(walls(even_RSS3), axis=0).max() < 1
    for before, after, gain in zip(pictures_RSS3, even_RSS3, gains, strict=True):
        # The person keeps the light of the scene, and loses the camera's gain alone.
        ratio = after[PERSON].mean(axis=(0, 1)) / before[PERSON].mean(axis=(0, 1))
        assert np.abs(ratio * gain - 1).max() < 0.02


def test_an_exposure_that_stays_is_left_alone():
    pictures_RSS3, masks_RSS = filmed([(1.0, 1.0, 1.0)] * 5)
    assert np.array_equal(evened(pictures_RSS3, masks_RSS), pictures_RSS3)


@pytest.mark.parametrize("level", [0, 12, 255])
def test_a_background_that_tells_nothing_changes_nothing(level: int):
    pictures_RSS3, masks_RSS = filmed([(1.0, 1.0, 1.0)] * 3)
    for picture in pictures_RSS3:
        picture[:120], picture[:, :160], picture[:, 360:] = level, level, level
    pictures_RSS3[1, :120] = max(level - 3, 0)
    assert np.array_equal(evened(pictures_RSS3, masks_RSS), pictures_RSS3)
