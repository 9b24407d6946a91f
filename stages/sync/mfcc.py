"""The 13 cepstral coefficients that SyncNet hears, as python_speech_features computes them by default.

Legend: S samples at 16 kHz, K spectral frames at 100 Hz, W frequency bins, F mel bands, Q coefficients.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.fft import dct

from stages.payloads import SAMPLE_RATE

Doubles = NDArray[np.float64]

COEFFICIENTS: Final = 13
_WINDOW: Final = 400
_HOP: Final = 160
_BINS: Final = 512
_BANDS: Final = 26
_PRE_EMPHASIS: Final = 0.97
_LIFTER: Final = 22
_INTEGER_SCALE: Final = 32768
_TINY: Final = float(np.finfo(np.float64).eps)


def mfcc(samples_S: NDArray[np.floating]) -> Doubles:
    """(13, K) coefficients of speech in [-1, 1], the first of which is the log energy.

    Rectangular windows of 25 ms every 10 ms, the last one padded with zeros; the samples count as 16-bit integers.
    """
    samples_S = np.asarray(samples_S, dtype=np.float64) * _INTEGER_SCALE
    emphasised_S = np.append(samples_S[:1], samples_S[1:] - _PRE_EMPHASIS * samples_S[:-1])
    count = 1 + max(0, -(-(len(emphasised_S) - _WINDOW) // _HOP))
    padded_S = np.zeros((count - 1) * _HOP + _WINDOW)
    padded_S[: len(emphasised_S)] = emphasised_S
    windows_KS = np.lib.stride_tricks.sliding_window_view(padded_S, _WINDOW)[::_HOP]
    power_KW = np.abs(np.fft.rfft(windows_KS, _BINS)) ** 2 / _BINS
    bands_KF = np.maximum(power_KW @ _filters_FW().T, _TINY)
    cepstra_KQ = dct(np.log(bands_KF), type=2, axis=1, norm="ortho")[:, :COEFFICIENTS]
    cepstra_KQ *= 1 + _LIFTER / 2 * np.sin(np.pi * np.arange(COEFFICIENTS) / _LIFTER)
    cepstra_KQ[:, 0] = np.log(np.maximum(power_KW.sum(axis=1), _TINY))
    return np.ascontiguousarray(cepstra_KQ.T)


def _filters_FW() -> Doubles:
    """Triangles between whole frequency bins, evenly spaced on the mel scale 2595 log10(1 + f / 700)."""
    mels = np.linspace(0, 2595 * np.log10(1 + SAMPLE_RATE / 2 / 700), _BANDS + 2)
    corners = np.floor((_BINS + 1) * 700 * (10 ** (mels / 2595) - 1) / SAMPLE_RATE)
    bins_W = np.arange(_BINS // 2 + 1)
    filters_FW = np.zeros((_BANDS, len(bins_W)))
    for band, (low, middle, high) in enumerate(zip(corners[:-2], corners[1:-1], corners[2:], strict=True)):
        rising_W, falling_W = (bins_W - low) / (middle - low), (high - bins_W) / (high - middle)
        filters_FW[band] = np.clip(np.where(bins_W < middle, rising_W, falling_W), 0, None)
    return filters_FW
