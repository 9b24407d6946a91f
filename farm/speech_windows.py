"""The samples that a window needs: its frames and some context either side, zeros outside the speech.

Legend: S samples.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from jobs.framerate import Span, samples_of


def window_samples(
    samples_S: NDArray[np.float32], *, first_frame: int, frame_count: int, context_frames: int
) -> NDArray[np.float32]:
    """A copy of the speech under frames [first_frame - context, first_frame + frame_count + context).

    Only this slice travels to a replica, so its size does not depend on the length of the speech.

    Args:
        samples_S: The whole speech, float32 at 16 kHz.
        first_frame: First frame of the window.
        frame_count: Frames of the window.
        context_frames: Frames of speech wanted on either side.

    Raises:
        ValueError: A count is negative.
    """
    if min(first_frame, frame_count, context_frames) < 0:
        raise ValueError(
            f"no window has {frame_count} frames from {first_frame} with {context_frames} around them"
        )
    frames = Span(start=first_frame - context_frames, stop=first_frame + frame_count + context_frames)
    wanted = samples_of(frames)
    present = Span(
        start=max(wanted.start, 0), stop=max(min(wanted.stop, len(samples_S)), max(wanted.start, 0))
    )
    slice_S = np.zeros(len(wanted), dtype=np.float32)
    slice_S[present.start - wanted.start : present.stop - wanted.start] = samples_S[
        present.start : present.stop
    ]
    return slice_S
