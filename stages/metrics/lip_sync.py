"""Does the mouth follow the speech? Legend: S samples at 16 kHz, T frames."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import minimum_filter1d, uniform_filter1d

from stages.metrics.landmarks import correlation
from stages.payloads import SAMPLES_PER_FRAME

Doubles = NDArray[np.float64]

_QUIET_SHARE: Final = 0.05
_SETTLING_FRAMES: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class LipSync:
    """How an inner-lip opening follows a recording.

    Attributes:
        correlation: Pearson's, of the opening with the envelope.
        silent_frames: frames in the middle of silences.
        open_in_silence: mean opening there, as a share of the opening's 95th percentile; NaN without silence.
    """

    correlation: float
    silent_frames: int
    open_in_silence: float


def speech_envelope(samples_S: NDArray[np.floating], frame_count: int) -> Doubles:
    """Root mean square of each frame's samples (T,), averaged over three frames as lips do."""
    samples_TS = np.asarray(samples_S[: frame_count * SAMPLES_PER_FRAME], dtype=np.float64).reshape(
        frame_count, -1
    )
    envelope_T: Doubles = uniform_filter1d(np.sqrt((samples_TS**2).mean(axis=1)), 3, mode="nearest")
    return envelope_T


def silent_frames(envelope_T: Doubles) -> NDArray[np.bool_]:
    """Frames (T,) quiet for some frames either side, so that the mouth has had time to close."""
    quiet_T = envelope_T < _QUIET_SHARE * np.percentile(envelope_T, 95)
    settled_T: NDArray[np.bool_] = minimum_filter1d(quiet_T, 2 * _SETTLING_FRAMES + 1, mode="nearest")
    return settled_T


def lip_sync(opening_T: NDArray[np.floating], samples_S: NDArray[np.floating]) -> LipSync:
    """Hold an inner-lip opening (T,) against the speech it was made from."""
    envelope_T = speech_envelope(samples_S, len(opening_T))
    silent_T = silent_frames(envelope_T)
    wide = float(np.percentile(opening_T, 95))
    return LipSync(
        correlation=correlation(np.asarray(opening_T), envelope_T),
        silent_frames=int(silent_T.sum()),
        open_in_silence=float(np.mean(opening_T[silent_T]) / wide) if silent_T.any() else float("nan"),
    )
