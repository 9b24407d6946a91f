"""Blinks counted from the opening of the lids. Legend: T frames."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import label, percentile_filter

from stages.payloads import FRAMES_PER_SECOND

_CLOSED: Final = 0.5
_CLOSING: Final = 0.7
"""Shares of the usual opening: a blink is a time below the second in which the lids get below the first."""

_LONGEST_FRAMES: Final = 15
"""Eyes shut for longer than 0.6 s are shut or look down; that is no blink."""

_USUAL_FRAMES: Final = 5 * FRAMES_PER_SECOND + 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Blinking:
    """How often the eyes close, and for how long; no mean length where they never do."""

    count: int
    per_minute: float
    mean_seconds: float | None


def blinking(opening_T: NDArray[np.floating]) -> Blinking:
    """Blinks in a track of lid openings, of any unit.

    The usual opening is the upper quartile of the five seconds around a frame: eyes open and narrow with what a person
    looks at.
    """
    opening_T = np.asarray(opening_T, dtype=np.float64)
    usual_T = percentile_filter(opening_T, 75, size=_USUAL_FRAMES, mode="nearest")
    runs_T, run_count = label(opening_T < _CLOSING * usual_T)
    lengths = []
    for run in range(1, run_count + 1):
        within_T = runs_T == run
        length = int(within_T.sum())
        if length <= _LONGEST_FRAMES and (opening_T < _CLOSED * usual_T)[within_T].any():
            lengths.append(length)
    minutes = len(opening_T) / FRAMES_PER_SECOND / 60
    return Blinking(
        count=len(lengths),
        per_minute=len(lengths) / minutes,
        mean_seconds=float(np.mean(lengths)) / FRAMES_PER_SECOND if lengths else None,
    )
