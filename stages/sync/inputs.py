"""What the judge sees of a clip: the motion of its lips, and how its sound is heard.

Legend: S samples at 16 kHz, T frames, N points, K lip channels, D speech feature width, F mel bands, A sound channels,
3 = (x, y, z).
"""

from __future__ import annotations

from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from stages.geometry.landmarks import LIPS
from stages.payloads import SAMPLES_PER_FRAME
from stages.speech.encoder import SpeechEncoder, encode_speech
from stages.speech.log_mel import HOP, MEL_BANDS, log_mel

Floats = NDArray[np.float32]

ENCODER: Final = "compact-1"
"""The speech encoder: ours, shipped and frozen. MODA listens with it too; nothing else of MODA's is used here."""

MEL_CHANNELS: Final = MEL_BANDS * SAMPLES_PER_FRAME // HOP
LIP_CHANNELS: Final = 2 * len(LIPS)

_CORNERS: Final = (61, 291)
_LEAST_SPREAD: Final = 0.1


def lip_input(canonical_TN3: NDArray[np.floating]) -> Floats:
    """Lip points (T, 80), x and y, from canonical meshes (T, 478, 3).

    Relative to the clip's own mean lips, in units of a tenth of their mean width: neither the shape of a mouth nor its
    size says who speaks.
    """
    width = np.linalg.norm(canonical_TN3[:, _CORNERS[0], :2] - canonical_TN3[:, _CORNERS[1], :2], axis=-1)
    lips_TN2 = np.asarray(canonical_TN3[:, LIPS, :2], dtype=np.float32)
    moved_TN2 = (lips_TN2 - lips_TN2.mean(axis=0)) * (10.0 / max(float(width.mean()), 1.0))
    return np.ascontiguousarray(moved_TN2.reshape(len(lips_TN2), LIP_CHANNELS), dtype=np.float32)


def sound_input(encoder: SpeechEncoder, speech_S: Floats) -> Floats:
    """Speech features (T, D) and behind them the log-mel spectrum (T, 4 x 80), from 16 kHz samples.

    The spectrum is taken relative to the recording's own mean and spread, band by band: neither the gain nor the
    microphone says who speaks.
    """
    speech_S = speech_S[: len(speech_S) // SAMPLES_PER_FRAME * SAMPLES_PER_FRAME]
    mel_KF = log_mel(torch.from_numpy(np.ascontiguousarray(speech_S))).numpy().T
    mel_KF = (mel_KF - mel_KF.mean(axis=0)) / np.maximum(mel_KF.std(axis=0), _LEAST_SPREAD)
    return np.concatenate([encode_speech(encoder, speech_S), mel_KF.reshape(-1, MEL_CHANNELS)], axis=1)
