"""What every speech encoder promises: one row of features per frame of video.

Legend: S samples at 16 kHz, T frames, K rows at an encoder's own rate, D feature width.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from stages.payloads import SAMPLES_PER_FRAME
from stages.speech.context import CONTEXT_FRAMES, WINDOW_FRAMES, speech_slice

Floats = NDArray[np.float32]


class SpeechEncoder(Protocol):
    """Turns speech into features."""

    @property
    def name(self) -> str:
        """Identity of the encoder and layer: weights trained on one do not fit another."""

    @property
    def width(self) -> int:
        """D."""

    def encode(self, samples_S: Floats) -> Floats:
        """(640 T,) samples to (T, D) rows, one a frame."""


def resample_rows(rows_KD: Tensor, frame_count: int) -> Tensor:
    """Linear interpolation to exactly `frame_count` rows, first on first and last on last."""
    rows_1DK = rows_KD.T[None]
    return functional.interpolate(rows_1DK, size=frame_count, mode="linear", align_corners=True)[0].T


def encode_with_context(encoder: SpeechEncoder, samples_S: Floats) -> Floats:
    """Encode what `speech_slice` cut, and drop the rows of the context."""
    with torch.inference_mode():
        return encoder.encode(samples_S)[CONTEXT_FRAMES:-CONTEXT_FRAMES]


def encode_speech(encoder: SpeechEncoder, speech_S: Floats) -> Floats:
    """(T, D) rows of a whole recording, window by window, as rendering hears it."""
    frames = len(speech_S) // SAMPLES_PER_FRAME
    rows = []
    for first in range(0, frames, WINDOW_FRAMES):
        count = min(WINDOW_FRAMES, frames - first)
        rows.append(
            encode_with_context(encoder, speech_slice(speech_S, first_frame=first, frame_count=count))
        )
    return np.concatenate(rows)
