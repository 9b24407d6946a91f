"""How lips move, heard from the sound alone by a small network that knows nobody's face.

It shares nothing with MODA, not even the encoder that MODA hears with: it has its own spectrum and its own weights,
so what it says of a clip does not hang on what MODA has learnt.

Legend: B batch, S samples at 16 kHz, K spectral frames at 100 Hz, F bands, 3 = inner-lip opening, mouth width,
outer-lip height.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from stages.payloads import FRAMES_PER_SECOND, SAMPLE_RATE
from stages.speech.log_mel import HOP, MEL_BANDS, log_mel
from stages.weights import build_network, load_weights

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]

ARCHITECTURE: Final = "lip_predictor"
BANDS: Final = MEL_BANDS // 2
LIP_MEASURES: Final = 3
SPECTRAL_PER_FRAME: Final = SAMPLE_RATE // HOP // FRAMES_PER_SECOND
"""Spectral frames for each frame of the picture."""

_LEAST_SPREAD: Final = 0.1
_SHORTEST_SAMPLES: Final = 2 * HOP
"""The spectrum mirrors the sound at its ends, which takes more than half a window of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LipPredictorConfig:
    """Sizes of a `LipPredictor`.

    Attributes:
        width: channels within.
        layers: dilated convolutions; layer k looks 2^k spectral frames to either side.
    """

    width: int = 32
    layers: int = 5


class LipPredictor(nn.Module):
    """Dilated convolutions over the spectrum, which see about a third of a second to either side.

    `zero` is the lag in frames at which its lips agree best with those of clips that are in sync.
    """

    zero: Tensor

    def __init__(self, config: LipPredictorConfig, *, dropout: float = 0.0) -> None:
        super().__init__()
        self.config = config
        self._dropout = dropout
        self.enter = nn.Conv1d(BANDS, config.width, 3, padding=1)
        self.layers = nn.ModuleList(
            nn.Conv1d(config.width, config.width, 3, padding=2**layer, dilation=2**layer)
            for layer in range(config.layers)
        )
        self.leave = nn.Conv1d(config.width, LIP_MEASURES, 1)
        self.register_buffer("zero", torch.zeros(1))

    def forward(self, bands_BFK: Tensor) -> Tensor:
        """Lip measures (B, 3, K) in units of their spread over a clip, from bands (B, 40, K)."""
        hidden_BCK = functional.gelu(self.enter(bands_BFK))
        for layer in self.layers:
            kept_BCK = functional.dropout1d(hidden_BCK, self._dropout, self.training)
            hidden_BCK = hidden_BCK + functional.gelu(layer(kept_BCK))
        measures_B3K: Tensor = self.leave(hidden_BCK)
        return measures_B3K


def load_lip_predictor(weights: Path) -> LipPredictor:
    """The network of a weights file, ready to use. Raises WeightsError when they are not such a network's."""
    network = build_network(weights, LipPredictorConfig, LipPredictor)
    load_weights(weights, network, expected={"architecture": ARCHITECTURE, "fps": FRAMES_PER_SECOND})
    return network.eval().requires_grad_(False)


def sound_bands(speech_S: Floats) -> Floats:
    """Log-mel bands (K, 40) relative to the recording's own mean and spread: neither gain nor microphone is heard.

    A recording too short for a spectrum has none: (0, 40).
    """
    if len(speech_S) < _SHORTEST_SAMPLES:
        return np.empty((0, BANDS), dtype=np.float32)
    mel_KF = log_mel(torch.from_numpy(np.ascontiguousarray(speech_S))).numpy().T
    bands_KF = mel_KF.reshape(len(mel_KF), BANDS, -1).mean(axis=2)
    relative_KF = (bands_KF - bands_KF.mean(axis=0)) / np.maximum(bands_KF.std(axis=0), _LEAST_SPREAD)
    return np.asarray(relative_KF, dtype=np.float32)


def predicted_measures(network: LipPredictor, speech_S: Floats) -> Doubles:
    """Lip measures (K, 3) at 100 Hz that are heard in a recording; row k belongs to sample 160 k."""
    bands_KF = sound_bands(speech_S)
    if not len(bands_KF):
        return np.empty((0, LIP_MEASURES))
    with torch.inference_mode():
        measures_3K = network(torch.from_numpy(bands_KF.T.copy())[None])[0]
    return measures_3K.numpy().T.astype(np.float64)
