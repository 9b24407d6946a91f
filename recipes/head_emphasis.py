"""How much livelier heads are at some moments of speech than at others, learnt from clips.

The power of a head's quick rotation is taken to be exponentially distributed about what the speech says of it; which
is fitted by likelihood, with a penalty that keeps it from learning the clips by heart.

Legend: T frames, D speech feature width, C channels of head and torso (61).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from stages.moda.emphasis import heard_around, quick_part
from stages.moda.residual_motion import HEAD_AND_TORSO
from stages.training.motion_data import MotionClip

Doubles = NDArray[np.float64]

_ROTATION: Final = slice(0, 3)
"""Yaw, pitch and roll among the channels of head and torso."""

_PENALTY: Final = 0.1
"""On the squared weights of features of unit variance. Of .03 to 1, over speakers left out, .1 and .3 told most; the
study decided between the two."""

_LARGEST: Final = 8.0
"""A moment counts as at most so many times its clip's mean: what is more is one gesture, or the tracker's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadEmphasis:
    """What `stages.moda.emphasis.emphasis` takes: weights (D,) and bias."""

    weights_D: Doubles
    bias: float


def fit_emphasis(clips: Sequence[MotionClip]) -> HeadEmphasis:
    """Fit the power of the heads' quick rotation, relative to each clip's mean, by the speech of its frames."""
    heard_TD = np.concatenate([heard_around(clip.features_TD) for clip in clips]).astype(np.float64)
    power_T = np.concatenate([_relative_power(clip) for clip in clips])
    mean_D, spread_D = heard_TD.mean(axis=0), np.maximum(heard_TD.std(axis=0), 1e-6)
    unit_TD = (heard_TD - mean_D) / spread_D

    def loss(parameters: Doubles) -> tuple[float, Doubles]:
        weights_D, bias = parameters[:-1], parameters[-1]
        said_T = unit_TD @ weights_D + bias
        rest_T = 1.0 - power_T * np.exp(-said_T)
        value = float((power_T * np.exp(-said_T) + said_T).mean() + _PENALTY * weights_D @ weights_D)
        slope_D = unit_TD.T @ rest_T / len(rest_T) + 2 * _PENALTY * weights_D
        return value, np.append(slope_D, rest_T.mean())

    found: Doubles = minimize(loss, np.zeros(unit_TD.shape[1] + 1), jac=True, method="L-BFGS-B").x
    weights_D = found[:-1] / spread_D
    # The penalty costs some power; heads are to move as much as before, at other times.
    bias = -np.log(np.mean(np.exp(heard_TD @ weights_D - mean_D @ weights_D))) - mean_D @ weights_D
    return HeadEmphasis(weights_D=weights_D, bias=float(bias))


def _relative_power(clip: MotionClip) -> Doubles:
    quick_TC = quick_part(clip.rows_TC[:, HEAD_AND_TORSO])[:, _ROTATION].astype(np.float64)
    power_T = np.square(quick_TC).sum(axis=1)
    shares_T: Doubles = np.minimum(power_T / max(float(power_T.mean()), 1e-9), _LARGEST)
    return shares_T
