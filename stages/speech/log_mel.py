"""Whisper's log-mel front end. Legend: S samples, K spectral frames (hop 160), F mel bands, W frequency bins."""

from __future__ import annotations

from functools import cache
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from stages.payloads import SAMPLE_RATE

MEL_BANDS: Final = 80
HOP: Final = 160
_WINDOW: Final = 400

_LINEAR_HZ: Final = 200.0 / 3.0
_BREAK_HZ: Final = 1000.0
_LOG_STEP: Final = np.log(6.4) / 27.0


def _mel_to_hz(mel: NDArray[np.float64]) -> NDArray[np.float64]:
    """Slaney's scale: linear up to 1 kHz, logarithmic above."""
    break_mel = _BREAK_HZ / _LINEAR_HZ
    return np.where(mel < break_mel, mel * _LINEAR_HZ, _BREAK_HZ * np.exp(_LOG_STEP * (mel - break_mel)))


@cache
def mel_filters_WF() -> Tensor:
    """(201, 80) triangular filters of equal area over 0 to 8 kHz."""
    top_mel = _BREAK_HZ / _LINEAR_HZ + np.log(SAMPLE_RATE / 2 / _BREAK_HZ) / _LOG_STEP
    corners_hz = _mel_to_hz(np.linspace(0.0, top_mel, MEL_BANDS + 2))
    bins_hz_W1 = np.linspace(0.0, SAMPLE_RATE / 2, _WINDOW // 2 + 1)[:, None]
    low_F, middle_F, high_F = corners_hz[:-2], corners_hz[1:-1], corners_hz[2:]
    rising_WF = (bins_hz_W1 - low_F) / (middle_F - low_F)
    falling_WF = (high_F - bins_hz_W1) / (high_F - middle_F)
    filters_WF = np.maximum(0.0, np.minimum(rising_WF, falling_WF)) * (2.0 / (high_F - low_F))
    return torch.from_numpy(filters_WF.astype(np.float32))


def log_mel(samples_S: Tensor) -> Tensor:
    """(80, K) log10 mel powers of 16 kHz samples, floored 8 decades below their peak and scaled as Whisper does."""
    spectrum_WK = torch.stft(
        samples_S, _WINDOW, HOP, window=torch.hann_window(_WINDOW), return_complex=True, pad_mode="reflect"
    )
    power_WK = spectrum_WK[:, :-1].abs() ** 2
    log_FK = torch.log10((mel_filters_WF().T @ power_WK).clamp_min(1e-10))
    return (torch.maximum(log_FK, log_FK.max() - 8.0) + 4.0) / 4.0
