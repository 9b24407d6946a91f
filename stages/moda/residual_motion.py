"""Head and shoulders as far as speech does not tell them: a stationary process, drawn beside the network.

Speech explains a twentieth of how a head moves, and a network that is trained to be near the truth leaves out the rest.
So the spectrum of what it leaves out is learned from the training clips, all channels and their phases together, and
kept beside the network as a filter on white noise. Noise is keyed by the absolute frame and the filter is short, so
windows that overlap draw the same.

Legend: T frames, K filter taps, Q components, C channels of head and torso (61).
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from stages.moda.noise import residual_noise
from stages.payloads import HEAD_CHANNELS, MOTION_CHANNELS, TORSO_POINTS

Floats = NDArray[np.float32]

RESIDUAL_REACH: Final = 75
"""Frames of noise to either side on which a frame depends."""

RESIDUAL_TAPS: Final = 2 * RESIDUAL_REACH + 1
RESIDUAL_COMPONENTS: Final = HEAD_CHANNELS + 3
"""The head's channels, and the three ways in which shoulders move most."""

RESIDUAL_CHANNELS: Final = HEAD_CHANNELS + 3 * TORSO_POINTS
HEAD_AND_TORSO: Final = slice(MOTION_CHANNELS - RESIDUAL_CHANNELS, MOTION_CHANNELS)
"""Where they lie in a row of motion."""


def residual_track(
    filter_KQQ: Floats, channels_CQ: Floats, *, seed: int, take: int, first_frame: int, frame_count: int
) -> Floats:
    """Displacements (T, 61) of head and torso for the frames [first_frame, first_frame + T) of a take."""
    if not filter_KQQ.any():
        return np.zeros((frame_count, len(channels_CQ)), dtype=np.float32)
    noise_TQ = residual_noise(
        seed=seed,
        take=take,
        first_frame=first_frame - RESIDUAL_REACH,
        frame_count=frame_count + 2 * RESIDUAL_REACH,
        width=filter_KQQ.shape[1],
    )
    drawn_TQ = np.zeros((frame_count, filter_KQQ.shape[1]), dtype=np.float64)
    for tap, filter_QQ in enumerate(filter_KQQ.astype(np.float64)):
        drawn_TQ += noise_TQ[tap : tap + frame_count] @ filter_QQ.T
    track_TC: Floats = (drawn_TQ @ channels_CQ.astype(np.float64).T).astype(np.float32)
    return track_TC
