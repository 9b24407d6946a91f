"""How lively the head is at a moment of the speech: nods come with stressed words, and rest between them.

Which way a head nods, speech hardly tells; how much it moves, it does. So the quick part of what is drawn for head and
shoulders (`stages.moda.residual_motion`) is made louder and quieter by the speech around a frame.

Legend: T frames, D speech feature width, C channels of head and torso (61).
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from stages.moda.smoothing import smooth

Floats = NDArray[np.float32]

_HEARD_SIGMA: Final = 3.0
"""Standard deviation in frames of the weights with which the speech around a frame is heard."""

_SWAY_SIGMA: Final = 4.0
"""What is left of a track after smoothing by so many frames is sway; the rest, from about 1.3 Hz on, is quick."""

QUICK_REACH: Final = int(3.0 * _SWAY_SIGMA + 0.5)
"""Frames either side on which the quick part of a frame depends."""

_MOST: Final = 1.5
"""Bound on the logarithm of the power."""


def heard_around(features_TD: Floats) -> Floats:
    """Speech features (T, D) averaged over the frames around each."""
    return smooth(features_TD, _HEARD_SIGMA)


def quick_part(track_TC: Floats) -> Floats:
    """What of a track is quick: nods and shakes, not sway."""
    quick_TC: Floats = track_TC - smooth(track_TC, _SWAY_SIGMA)
    return quick_TC


def emphasis(features_TD: Floats, weights_D: Floats, bias: float) -> Floats:
    """Amplitude (T,) of the quick part in each frame, as a share of its usual one.

    Args:
        features_TD: speech features of the frames.
        weights_D: what a feature adds to the logarithm of the power.
        bias: the logarithm of the power where all features are zero.
    """
    power_T = heard_around(features_TD).astype(np.float64) @ weights_D.astype(np.float64) + bias
    share_T: Floats = np.exp(0.5 * np.clip(power_T, -_MOST, _MOST)).astype(np.float32)
    return share_T
