"""Lips as other mouths, other trackers and a motion network would show them.

Legend: T frames, N points, K lip channels, 2 = (x, y).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from stages.geometry.landmarks import INNER_LIP_RING, LIPS, OUTER_LIP_RING

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Augmentation:
    """How far lips are changed; lengths in a tenth of the mouth's width.

    Attributes:
        scale: spread of the log of a factor on all motion.
        width_scale: the same, on the horizontal motion alone.
        smoothed: share of windows smoothed over time, as predicted motion is.
        longest_sigma: of that smoothing, in frames.
        posture: spread of a shift of all points.
        shape: spread of a shift of each point.
        jitter: spread of the noise of each point in each frame.
    """

    scale: float = 0.3
    width_scale: float = 0.15
    smoothed: float = 0.3
    longest_sigma: float = 1.6
    posture: float = 0.3
    shape: float = 0.1
    jitter: float = 0.05


def augmented(lips_TK: Floats, random: np.random.Generator, how: Augmentation) -> Floats:
    """A changed copy of lip inputs (T, 80)."""
    lips_TN2: NDArray[np.floating] = lips_TK.reshape(len(lips_TK), len(LIPS), 2)
    if random.random() < 0.5:
        lips_TN2 = mirrored(lips_TN2)
    lips_TN2 = lips_TN2 * np.exp(random.normal(scale=how.scale))
    lips_TN2[..., 0] *= np.exp(random.normal(scale=how.width_scale))
    if random.random() < how.smoothed:
        sigma = random.uniform(0.5, how.longest_sigma)
        lips_TN2 = gaussian_filter1d(lips_TN2, sigma, axis=0, mode="nearest")
    for shape, spread in (
        ((1, 1, 2), how.posture),
        ((1, len(LIPS), 2), how.shape),
        (lips_TN2.shape, how.jitter),
    ):
        lips_TN2 = lips_TN2 + random.normal(scale=spread, size=shape)
    return lips_TN2.reshape(lips_TK.shape).astype(np.float32)


def mirrored(lips_TN2: NDArray[np.floating]) -> NDArray[np.floating]:
    """Left and right changed, of displacements (T, 40, 2)."""
    flipped_TN2 = lips_TN2[:, _mirror_order()].copy()
    flipped_TN2[..., 0] *= -1
    return flipped_TN2


def _mirror_order() -> NDArray[np.int64]:
    """For every lip vertex in network order, the place of its mirror image."""
    # Both rings start at a corner and pass below to the other: vertex i is opposite to vertex 10 - i.
    mirror = {
        int(ring[index]): int(ring[(len(ring) // 2 - index) % len(ring)])
        for ring in (OUTER_LIP_RING, INNER_LIP_RING)
        for index in range(len(ring))
    }
    return np.searchsorted(LIPS, np.array([mirror[int(vertex)] for vertex in LIPS]))
