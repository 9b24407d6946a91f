"""How a lip predictor is trained on clips of given lags.

Legend: B batch, T frames, K spectral frames at 100 Hz, F bands, 3 = lip measures.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from recipes.offset.data import HeardClip
from stages.subject.audio_offset import AudioOffset, offset_of_lips, rows_at, spectral_times
from stages.subject.lip_predictor import (
    BANDS,
    LIP_MEASURES,
    SPECTRAL_PER_FRAME,
    LipPredictor,
    LipPredictorConfig,
)

Floats = NDArray[np.float32]
Lags = Mapping[str, float]
"""Frames by which the sound of a clip lags, by the clip's path."""

_WINDOW: Final = 100
"""Frames of a training window; shorter clips fill a part of one."""

_AROUND: Final = 16
"""Frames of sound to either side of a window: more than the network sees."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OffsetTraining:
    """Settings of a training.

    Attributes:
        steps: of the optimiser.
        batch: windows a step.
        rate: the highest learning rate.
        decay: of the weights.
        dropout: share of the channels.
        seed: of everything drawn.
        network: its sizes.
    """

    steps: int = 1000
    batch: int = 12
    rate: float = 3e-3
    decay: float = 1e-2
    dropout: float = 0.2
    seed: int = 0
    network: LipPredictorConfig = field(default_factory=LipPredictorConfig)


def train_predictor(clips: Sequence[HeardClip], lags: Lags, training: OffsetTraining) -> LipPredictor:
    """Train on clips with their lags undone; clips count by the square root of their length."""
    torch.manual_seed(training.seed)
    generator = np.random.default_rng(training.seed)
    network = LipPredictor(training.network, dropout=training.dropout)
    optimiser = torch.optim.AdamW(network.parameters(), lr=training.rate, weight_decay=training.decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, training.rate, training.steps)
    weights = np.sqrt([len(clip.seen_T3) for clip in clips])
    for _ in range(training.steps):
        chosen = generator.choice(len(clips), size=training.batch, p=weights / weights.sum())
        bands_BFK, seen_B3T = _batch([clips[int(index)] for index in chosen], lags, generator)
        first = _AROUND * SPECTRAL_PER_FRAME
        heard_B3T = network(bands_BFK)[:, :, first::SPECTRAL_PER_FRAME][:, :, :_WINDOW]
        known_B3T = ~seen_B3T.isnan()
        loss = functional.smooth_l1_loss(heard_B3T[known_B3T], seen_B3T[known_B3T])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    return network.eval().requires_grad_(False)


def find_offset(network: LipPredictor, clip: HeardClip) -> AudioOffset:
    """The offset of a clip, as recorded."""
    return offset_of_lips(network, clip.seen_T3, clip.speech_S)


def _batch(clips: Sequence[HeardClip], lags: Lags, generator: np.random.Generator) -> tuple[Tensor, Tensor]:
    windows = [_window(clip, lags[clip.entry.path], generator) for clip in clips]
    bands_BFK = np.stack([_varied(bands_KF, generator).T for bands_KF, _ in windows]).astype(np.float32)
    seen_B3T = np.stack([seen_T3.T for _, seen_T3 in windows]).astype(np.float32)
    return torch.from_numpy(bands_BFK), torch.from_numpy(seen_B3T)


def _window(clip: HeardClip, lag: float, generator: np.random.Generator) -> tuple[Floats, Floats]:
    """Bands and measures of a window, zero where there is no sound and NaN where there is no picture to it."""
    start = int(generator.integers(0, max(1, len(clip.seen_T3) - _WINDOW + 1)))
    quarters = np.arange(-_AROUND, _WINDOW + _AROUND, 1 / SPECTRAL_PER_FRAME)
    times_K = spectral_times(start + quarters, lag)
    heard_K = (times_K >= 0) & (times_K <= len(clip.bands_KF) - 1)
    bands_KF = np.zeros((len(times_K), BANDS), dtype=np.float32)
    bands_KF[heard_K] = rows_at(clip.bands_KF, times_K[heard_K])
    seen_T3 = np.full((_WINDOW, LIP_MEASURES), np.nan, dtype=np.float32)
    count = min(_WINDOW, len(clip.seen_T3) - start)
    seen_T3[:count] = clip.seen_T3[start : start + count]
    first = _AROUND * SPECTRAL_PER_FRAME
    seen_T3[~heard_K[first : first + _WINDOW * SPECTRAL_PER_FRAME : SPECTRAL_PER_FRAME]] = np.nan
    return bands_KF, seen_T3


def _varied(bands_KF: Floats, generator: np.random.Generator) -> NDArray[np.float64]:
    """Bands of another voice and microphone: louder, brighter, of a longer or shorter throat, noisier."""
    tilt_F = generator.normal(0, 0.25) + generator.normal(0, 0.25) * np.linspace(-1, 1, BANDS)
    moved_F = np.clip(np.arange(BANDS) + generator.uniform(-1.5, 1.5), 0, BANDS - 1)
    varied_KF = rows_at(bands_KF.T, moved_F).T + tilt_F
    return np.asarray(
        varied_KF + generator.normal(0, generator.uniform(0, 0.4), varied_KF.shape), dtype=np.float64
    )
