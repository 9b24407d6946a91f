"""Joining overlapping motion windows by a linear cross-fade (MODA section 15, row 33).

Legend: T frames, C motion channels (361).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from stages.payloads import MOTION_CHANNELS, Motion


def merge_windows(windows: Mapping[int, Motion], *, start: int, stop: int) -> Motion:
    """Frames [start, stop) of the joined motion.

    A window's weight rises linearly over its overlap with the window before and falls over its overlap with the
    one after, so that weights add up to one and no frame jumps. The result of a frame depends only on the
    windows that cover it: a part merged alone equals the same part of the whole, bit for bit.

    Args:
        windows: first frame of each window to its motion; at least every window that covers a wanted frame, and
            the whole overlap of two neighbours when both cover one.

    Raises:
        ValueError: a wanted frame is covered by no window, or by more than two.
    """
    firsts = sorted(windows)
    covering = [first for first in firsts if first < stop and first + windows[first].frame_count > start]
    rows_TC = np.zeros((stop - start, MOTION_CHANNELS), dtype=np.float64)
    weight_T = np.zeros(stop - start, dtype=np.float64)
    for index, first in enumerate(covering):
        end = first + windows[first].frame_count
        before_end = covering[index - 1] + windows[covering[index - 1]].frame_count if index else first
        after_first = covering[index + 1] if index + 1 < len(covering) else end
        if index + 2 < len(covering) and covering[index + 2] < end:
            raise ValueError(f"more than two windows overlap within [{start}, {stop})")
        low, high = max(first, start), min(end, stop)
        share_T = _share(
            np.arange(low, high), first=first, before_end=before_end, after_first=after_first, end=end
        )
        rows_TC[low - start : high - start] += (
            share_T[:, None] * windows[first].as_rows()[low - first : high - first]
        )
        weight_T[low - start : high - start] += share_T
    if stop > start and not np.allclose(weight_T, 1.0):
        raise ValueError(f"frames [{start}, {stop}) are not covered by windows {firsts}")
    return Motion.from_rows(rows_TC.astype(np.float32))


def _share(
    frames_T: NDArray[np.int64], *, first: int, before_end: int, after_first: int, end: int
) -> NDArray[np.float64]:
    """Weight of a window at absolute frames: up over [first, before_end), down over [after_first, end)."""
    rising_T = (
        np.minimum(1.0, (frames_T - first + 1) / (before_end - first + 1)) if before_end > first else 1.0
    )
    falling_T = np.minimum(1.0, (end - frames_T) / (end - after_first + 1)) if end > after_first else 1.0
    return np.minimum(rising_T, falling_T) * np.ones(len(frames_T))
