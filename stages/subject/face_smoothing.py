"""Smoothing of a face tracked frame by frame: without lag, and sparing what moves fast.

Legend: T frames, N points (478), 3 = (x, y, z), 7 = head vector.

A tracker that filters while it follows is late by a third of a frame to a whole one, and damps what is fast. Here every
frame is tracked by itself, and noise is taken out afterwards, from both sides in time.
"""

from __future__ import annotations

from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from stages.geometry.average_face import average_face
from stages.geometry.landmarks import EYES, LIPS, REST

Floats = NDArray[np.float32]
Real = TypeVar("Real", np.float32, np.float64)

LIPS_SIGMA: Final = 0.9
EYES_SIGMA: Final = 0.8
JAW_SIGMA: Final = 1.1
BONE_SIGMA: Final = 1.7
HEAD_SIGMA: Final = 1.0
"""Standard deviations in frames at 25 fps of the Gaussian that `without_noise` starts from.

Lips, lids and head keep 97 % of the amplitude of the digital actors' true motion, and are as calm as those of a tracker
that filters (`benchmarks.tracks.measure`).
"""

_NOSE_BASE: Final = 2


def _jaw() -> NDArray[np.int64]:
    height_N = average_face()[:, 1]
    return REST[height_N[REST] > height_N[_NOSE_BASE]]


JAW: Final = _jaw()
"""Every vertex below the nose that is not of the lips' two rings: chin, jaw, cheeks and the red between the rings.

They follow the mouth, and lose its quickness when they are smoothed as bone is.
"""

BONE: Final = np.setdiff1d(REST, JAW)
"""Every vertex that neither mouth nor eyes move much."""


def without_noise(track_TC: NDArray[Real], *, sigma: float) -> NDArray[Real]:
    """A track (T, ...) smoothed over its first axis without lag; the ends repeat their outermost frame.

    What a Gaussian takes out is smoothed by the same Gaussian and put back: for the same calm this keeps more of a fast
    motion than one narrower Gaussian does.
    """
    smooth_TC = gaussian_filter1d(track_TC, sigma, axis=0, mode="nearest", output=np.float64)
    smooth_TC += gaussian_filter1d(track_TC - smooth_TC, sigma, axis=0, mode="nearest")
    return smooth_TC.astype(track_TC.dtype)


def smooth_face(canonical_TN3: Floats) -> Floats:
    """Canonical meshes (T, 478, 3), each part smoothed as far as its speed allows."""
    smooth_TN3 = np.empty_like(canonical_TN3)
    for vertices, sigma in ((LIPS, LIPS_SIGMA), (EYES, EYES_SIGMA), (JAW, JAW_SIGMA), (BONE, BONE_SIGMA)):
        smooth_TN3[:, vertices] = without_noise(canonical_TN3[:, vertices], sigma=sigma)
    return smooth_TN3


def smooth_head(head_T7: Floats) -> Floats:
    """Head vectors (T, 7), smoothed without lag; angles must not wrap around."""
    return without_noise(head_T7, sigma=HEAD_SIGMA)
