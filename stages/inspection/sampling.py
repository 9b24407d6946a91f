"""Which frames of a segment are looked at closely. Legend: T frames, N points, 3 = (x, y, z)."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from stages.metrics.landmarks import mouth_opening

EVENLY_SPACED: Final = 6
"""Frames of the sample that are spread over the segment; two more have the mouth widest and most closed."""


def sampled_frames(mesh_TN3: NDArray[np.floating]) -> tuple[int, ...]:
    """Frames to look at, ascending, chosen from the commanded meshes alone: at most eight, never the same twice."""
    frames = len(mesh_TN3)
    spread = (np.arange(EVENLY_SPACED) + 0.5) * frames / EVENLY_SPACED
    opening_T = mouth_opening(mesh_TN3)
    chosen = {int(frame) for frame in spread} | {int(opening_T.argmax()), int(opening_T.argmin())}
    return tuple(sorted(chosen))
