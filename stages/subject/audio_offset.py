"""By how many frames, in parts of one, the sound of a clip lags the lips.

Legend: S samples at 16 kHz, T frames at 25 fps, K spectral frames at 100 Hz, G lags, N points, 3 = (x, y, z), or lip
measures.

A small network predicts from the sound how lips move (`lip_predictor`). Its lips and those that were tracked are
compared at every lag; where they agree best is the offset. Lips that are heard lie at 100 Hz and are read between
their rows, so a lag need not be a number of frames.

Where zero lies cannot be known from clips of unknown lag, and no clip comes with a true one. It was set so that over
the clips that were recorded in one go in a studio (GRID, VidTIMIT) the median difference from the whole-frame lags that
the data came with is none; `recipes.offset.fit` keeps it where the lists have it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from stages.metrics.landmarks import mouth_opening, moves
from stages.subject.face_smoothing import LIPS_SIGMA, without_noise
from stages.subject.lip_predictor import (
    SPECTRAL_PER_FRAME,
    LipPredictor,
    load_lip_predictor,
    predicted_measures,
)

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]

LONGEST_LAG: Final = 12
"""Frames: half a second. What is out by more is not a matter of synchronisation."""

_STEP: Final = 0.25
"""Frames from one lag that is tried to the next; a parabola through three of them finds the top between."""

_TREND_FRAMES: Final = 15.0
"""Sigma of the slow drift (posture, smiles) taken out of both before they are compared."""

_LEAST_OVERLAP: Final = 24
_FAR: Final = 5
"""Lags at least so far from the best one say how well chance does."""

CLEAR_CORRELATION: Final = 0.45
CLEAR_MARGIN: Final = 0.25
"""Of 61 clips that were never learnt from, 55 are as clear. Held against others' speech, 99 in 100 are not, and 94 in
100 of three seconds (`benchmarks.audio_offset`)."""

CORRECTED_FROM: Final = 0.3
"""Frames: about what the judge errs by. What it finds in the two halves of a clip of some five seconds differs by 0.47
in the median (`benchmarks.audio_offset`); the whole clip errs by half of that."""

_CORNERS: Final = (61, 291)
_OUTER: Final = (0, 17)


@dataclass(frozen=True, slots=True, kw_only=True)
class AudioOffset:
    """Where speech and lips agree best.

    Attributes:
        lag: frames of 40 ms, in parts of one, by which the sound lags the lips; negative: leads.
        correlation: of predicted with tracked lips at that lag.
        margin: how far that is above the highest correlation at lags five frames away or more.
        by_lag: the correlation at every whole lag from -12 to 12.
    """

    lag: float
    correlation: float
    margin: float
    by_lag: tuple[float, ...]

    @property
    def is_clear(self) -> bool:
        """Whether the lag may be trusted."""
        return (
            abs(self.lag) <= LONGEST_LAG
            and self.correlation >= CLEAR_CORRELATION
            and self.margin >= CLEAR_MARGIN
        )

    @property
    def correction(self) -> float:
        """Frames to take out: the lag where it is clear and more than its own error, to a hundredth; else 0."""
        return round(self.lag, 2) if self.is_clear and abs(self.lag) >= CORRECTED_FROM else 0.0


def audio_offset(canonical_TN3: Floats, speech_S: Floats, *, weights: Path) -> AudioOffset:
    """Compare tracked canonical meshes (T, 478, 3) with the speech that goes with them.

    Args:
        canonical_TN3: meshes in px from the clip's start, smoothed or not.
        speech_S: 16 kHz samples from the clip's start; may be longer or shorter than the picture.
        weights: of a `LipPredictor`.

    Raises:
        WeightsError: the weights cannot be loaded.
    """
    return offset_of_lips(load_lip_predictor(weights), lip_measures(canonical_TN3), speech_S)


def offset_of_lips(network: LipPredictor, seen_T3: Doubles, speech_S: Floats) -> AudioOffset:
    """Compare lip measures (T, 3), see `lip_measures`, with the speech (S,) that goes with them."""
    return compare(predicted_measures(network, speech_S), seen_T3, zero=float(network.zero[0]))


def lip_measures(mesh_TN3: Floats) -> Doubles:
    """Inner-lip opening, mouth width and outer-lip height (T, 3) without drift, in units of their spread."""
    width_T = np.linalg.norm(mesh_TN3[:, _CORNERS[0], :2] - mesh_TN3[:, _CORNERS[1], :2], axis=-1)
    height_T = np.linalg.norm(mesh_TN3[:, _OUTER[0], :2] - mesh_TN3[:, _OUTER[1], :2], axis=-1)
    measures_T3 = np.stack([mouth_opening(mesh_TN3), width_T, height_T], axis=1).astype(np.float64)
    if not len(measures_T3):
        return measures_T3
    return _in_spreads(_without_drift(without_noise(measures_T3, sigma=LIPS_SIGMA), _TREND_FRAMES))


def compare(heard_K3: Doubles, seen_T3: Doubles, *, zero: float = 0.0) -> AudioOffset:
    """The lag at which heard measures agree best with seen ones.

    Recordings too short to be shifted by a lag count as disagreeing there.

    Args:
        heard_K3: measures at 100 Hz, of any scale; one that is heard poorly is small, and weighs less.
        seen_T3: measures at 25 Hz, without drift.
        zero: the lag in frames that is none.
    """
    # One more to either side: the best of all may be the last.
    lags_G = np.arange(-LONGEST_LAG - _STEP, LONGEST_LAG + 2 * _STEP, _STEP)
    # Smoothed as seen lips are: what is quicker than they can be seen makes tops of its own between frames.
    steady_K3 = heard_K3
    if len(heard_K3):
        calm_K3 = without_noise(heard_K3, sigma=LIPS_SIGMA * SPECTRAL_PER_FRAME)
        steady_K3 = _without_drift(calm_K3, _TREND_FRAMES * SPECTRAL_PER_FRAME)
    agreement_G = np.array([_agreement(steady_K3, seen_T3, float(lag) + zero) for lag in lags_G])
    lag, correlation = _top(lags_G, agreement_G)
    far_G = np.abs(lags_G - lag) >= _FAR
    whole_G = agreement_G[1 : -1 : round(1 / _STEP)]
    return AudioOffset(
        lag=lag,
        correlation=correlation,
        margin=correlation - float(agreement_G[far_G].max()),
        by_lag=tuple(round(float(value), 4) for value in whole_G),
    )


def rows_at(rows_KC: NDArray[np.floating], times_T: Doubles) -> Doubles:
    """Rows (T, C) at times in units of rows, on the line between neighbours; every time must lie within."""
    below_T = np.minimum(np.floor(times_T).astype(np.int64), max(0, len(rows_KC) - 2))
    share_T1 = (times_T - below_T)[:, None]
    above_T = np.minimum(below_T + 1, len(rows_KC) - 1)
    return np.asarray((1 - share_T1) * rows_KC[below_T] + share_T1 * rows_KC[above_T], dtype=np.float64)


def spectral_times(frames_T: NDArray[np.number], lag: float) -> Doubles:
    """Where in the spectrum lies the sound of the middle of frames, when it lags by some frames."""
    return np.asarray((frames_T + 0.5 + lag) * SPECTRAL_PER_FRAME, dtype=np.float64)


def _agreement(heard_K3: Doubles, seen_T3: Doubles, lag: float) -> float:
    times_T = spectral_times(np.arange(len(seen_T3)), lag)
    within_T = (times_T >= 0) & (times_T <= len(heard_K3) - 1)
    if np.count_nonzero(within_T) < _LEAST_OVERLAP:
        return 0.0
    heard_T3, seen_T3 = rows_at(heard_K3, times_T[within_T]), seen_T3[within_T]
    if not (moves(heard_T3 - heard_T3.mean(axis=0)) and moves(seen_T3 - seen_T3.mean(axis=0))):
        return 0.0
    heard_T3, seen_T3 = heard_T3 - heard_T3.mean(axis=0), seen_T3 - seen_T3.mean(axis=0)
    return float((heard_T3 * seen_T3).sum() / np.sqrt((heard_T3**2).sum() * (seen_T3**2).sum()))


def _top(lags_G: Doubles, agreement_G: Doubles) -> tuple[float, float]:
    """Lag and height of the highest agreement, between the lags that were tried."""
    best = int(agreement_G.argmax())
    if not 0 < best < len(lags_G) - 1:
        return float(lags_G[best]), float(agreement_G[best])
    before, top, after = agreement_G[best - 1 : best + 2]
    bend = before - 2 * top + after
    beside = 0.5 * (before - after) / bend if bend < 0 else 0.0
    return float(lags_G[best] + beside * _STEP), float(top - 0.25 * (before - after) * beside)


def _without_drift(rows_TC: Doubles, sigma: float) -> Doubles:
    return np.asarray(rows_TC - gaussian_filter1d(rows_TC, sigma, axis=0, mode="nearest"), dtype=np.float64)


def _in_spreads(measures_T3: Doubles) -> Doubles:
    spread_3 = measures_T3.std(axis=0)
    return np.asarray(measures_T3 / np.where(spread_3 < 1e-6, np.inf, spread_3), dtype=np.float64)
