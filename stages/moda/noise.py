"""Noise keyed by (seed, take, absolute frame), so that windows that overlap draw the same (law 1).

Legend: T frames, Z latent width.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

_FRAMES_BEFORE_START: Final = 1 << 20
"""Counters must not be negative; the context of the first window is."""


def _key(seed: int, take: int) -> NDArray[np.uint64]:
    # As an array: a list of large numbers would pass through floating point.
    return np.array([seed % 2**64, take % 2**64], dtype=np.uint64)


def frame_noise(
    *, seed: int, take: int, first_frame: int, frame_count: int, width: int
) -> NDArray[np.float32]:
    """Standard normal noise (T, Z): the row of a frame depends on nothing but seed, take and that frame."""
    return _normal(0, seed=seed, take=take, first_frame=first_frame, frame_count=frame_count, width=width)


def residual_noise(
    *, seed: int, take: int, first_frame: int, frame_count: int, width: int
) -> NDArray[np.float32]:
    """The like, apart from `frame_noise`: what `stages.moda.residual_motion` filters."""
    return _normal(2, seed=seed, take=take, first_frame=first_frame, frame_count=frame_count, width=width)


def _normal(
    stream: int, *, seed: int, take: int, first_frame: int, frame_count: int, width: int
) -> NDArray[np.float32]:
    rows = []
    for frame in range(first_frame, first_frame + frame_count):
        # The high counter word tells frames apart, the second streams; the low ones count within a frame's row.
        counter = np.array([0, 0, stream, frame + _FRAMES_BEFORE_START], dtype=np.uint64)
        generator = np.random.Generator(np.random.Philox(counter=counter, key=_key(seed, take)))
        rows.append(generator.standard_normal(width, dtype=np.float32))
    return np.stack(rows) if rows else np.empty((0, width), dtype=np.float32)


def frame_uniform(*, seed: int, take: int, first_frame: int, frame_count: int) -> NDArray[np.float64]:
    """Uniform numbers in [0, 1), one a frame (T,), apart from those of `frame_noise`."""
    draws_T = np.empty(frame_count, dtype=np.float64)
    for index in range(frame_count):
        # The second counter word keeps these draws off the stream that starts at zero for the same frame.
        counter = np.array([0, 0, 1, first_frame + index + _FRAMES_BEFORE_START], dtype=np.uint64)
        draws_T[index] = np.random.Generator(np.random.Philox(counter=counter, key=_key(seed, take))).random()
    return draws_T
