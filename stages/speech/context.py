"""How much speech a window of motion needs, and cutting it out. Free of torch: the coordinator plans with it.

Legend: S samples at 16 kHz.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from stages.payloads import SAMPLES_PER_FRAME

Floats = NDArray[np.float32]

CONTEXT_FRAMES: Final = 25
"""Frames of speech an encoder hears before and after the frames it is asked for."""

WINDOW_FRAMES: Final = 300
"""Frames encoded at once, as in rendering: longer speech goes window by window."""


def speech_slice(
    speech_S: Floats, *, first_frame: int, frame_count: int, context_frames: int = CONTEXT_FRAMES
) -> Floats:
    """A copy of the samples of some frames with context on either side, silent outside the speech.

    Only this slice travels to a replica, so its size does not depend on the length of the speech.

    Raises:
        ValueError: A count is negative.
    """
    if min(first_frame, frame_count, context_frames) < 0:
        raise ValueError(
            f"no window has {frame_count} frames from {first_frame} with {context_frames} around them"
        )
    start = (first_frame - context_frames) * SAMPLES_PER_FRAME
    stop = (first_frame + frame_count + context_frames) * SAMPLES_PER_FRAME
    low, high = max(0, start), min(len(speech_S), stop)
    slice_S = np.zeros(stop - start, dtype=np.float32)
    if low < high:
        slice_S[low - start : high - start] = speech_S[low:high]
    return slice_S
