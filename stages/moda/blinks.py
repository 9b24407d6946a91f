"""Blinks as events of their own, drawn with the take's noise.

A blink is a fifth of a second, once in some seconds, and hardly tied to speech: a regression averages it away, and
a latent of normal distribution does not reach it. So the shape of a blink and how often one comes are learned from
the training clips and kept beside the network; when it comes is drawn per absolute frame, so that windows that
overlap blink together.

Legend: T frames, K frames of a blink, C eye channels (180), N points.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from stages.geometry.landmarks import EYES, UPPER_LID_LOWER_LID
from stages.moda.noise import frame_uniform

Floats = NDArray[np.float32]

BLINK_BEFORE: Final = 4
BLINK_AFTER: Final = 6
BLINK_FRAMES: Final = BLINK_BEFORE + 1 + BLINK_AFTER
"""A blink runs from 4 frames before its most closed frame to 6 after."""

_REST_FRAMES: Final = 20
"""No blink begins this soon after another was due."""

_LIDS: Final = np.array(
    [[int(np.flatnonzero(vertex == EYES)[0]) for vertex in pair] for pair in UPPER_LID_LOWER_LID]
)


def lid_opening(eyes_TN3: NDArray[np.floating]) -> NDArray[np.float64]:
    """Mean distance (T,) in px of upper and lower lid of both eyes, from eye points (T, 60, 3)."""
    upper_TN2, lower_TN2 = (np.asarray(eyes_TN3, dtype=np.float64)[:, _LIDS[:, side], :2] for side in (0, 1))
    opening_T: NDArray[np.float64] = np.linalg.norm(upper_TN2 - lower_TN2, axis=-1).mean(axis=1)
    return opening_T


def blink_frames(
    *, seed: int, take: int, first_frame: int, frame_count: int, rate: float
) -> NDArray[np.int64]:
    """Absolute frames in [first_frame, first_frame + frame_count) at which lids are most closed.

    Args:
        rate: blinks a frame.
    """
    start = first_frame - _REST_FRAMES
    due_T = (
        frame_uniform(seed=seed, take=take, first_frame=start, frame_count=frame_count + _REST_FRAMES) < rate
    )
    frames = np.flatnonzero(due_T)
    rested = [frame for frame in frames if not due_T[max(0, frame - _REST_FRAMES) : frame].any()]
    return np.array([frame + start for frame in rested if frame >= _REST_FRAMES], dtype=np.int64)


def blink_track(
    profile_KC: Floats,
    *,
    rate: float,
    seed: int,
    take: int,
    first_frame: int,
    frame_count: int,
    opening: float,
) -> Floats:
    """Eye displacements (T, 60, 3) of the blinks in a window.

    Args:
        profile_KC: displacements of one blink for a lid opening of 1 px.
        rate: blinks a frame.
        opening: the subject's own lid opening in px.
    """
    track_TC = np.zeros((frame_count, profile_KC.shape[1]), dtype=np.float32)
    for frame in blink_frames(
        seed=seed,
        take=take,
        first_frame=first_frame - BLINK_AFTER,
        frame_count=frame_count + BLINK_AFTER + BLINK_BEFORE,
        rate=rate,
    ):
        start = int(frame) - BLINK_BEFORE - first_frame
        low, high = max(0, start), min(frame_count, start + BLINK_FRAMES)
        track_TC[low:high] += np.float32(opening) * profile_KC[low - start : high - start]
    return track_TC.reshape(frame_count, -1, 3)
