"""How well the lips of a mesh fit a speech, by our own judge.

Legend: S samples at 16 kHz, T frames, N points, 3 = (x, y, z).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from stages.builtin import builtin_weights
from stages.payloads import SAMPLES_PER_FRAME
from stages.speech.loading import load_encoder
from stages.sync.inputs import ENCODER, lip_input, sound_input
from stages.sync.judge_network import (
    ARCHITECTURE,
    SyncConfig,
    SyncNetwork,
    lip_embeddings,
    sound_embeddings,
)
from stages.sync.offsets import SyncScore, check_length, score_embeddings
from stages.weights import load_weights
from stages.weights_header import read_sizes

Floats = NDArray[np.float32]


class SyncJudge:
    """The network with its speech encoder: load it once, judge many clips."""

    def __init__(self, weights: Path | None = None) -> None:
        """Args: weights: a file of `recipes.sync.train`; the shipped one by default.

        Raises WeightsError when the file is absent, damaged or another network's.
        """
        self.network = load_judge(builtin_weights("sync") if weights is None else weights)
        self.encoder = load_encoder(ENCODER, device=torch.device("cpu"))

    def score(self, canonical_TN3: Floats, samples_S: Floats) -> SyncScore:
        """As `score_sync`."""
        frames = min(len(canonical_TN3), len(samples_S) // SAMPLES_PER_FRAME)
        check_length(frames)
        sound_TA = sound_input(self.encoder, samples_S[: frames * SAMPLES_PER_FRAME])
        return score_inputs(self.network, sound_TA, lip_input(canonical_TN3[:frames]))


def load_judge(path: Path) -> SyncNetwork:
    """The network of a weights file, in evaluation mode. Raises WeightsError when it is another network's."""
    network = SyncNetwork(read_sizes(path, SyncConfig)).eval().requires_grad_(False)
    load_weights(path, network, expected={"architecture": ARCHITECTURE, "encoder": ENCODER})
    return network


def score_inputs(network: SyncNetwork, sound_TA: Floats, lips_TK: Floats) -> SyncScore:
    """Judge what `stages.sync.inputs` made of a clip; the network is in evaluation mode."""
    return score_embeddings(sound_embeddings(network, sound_TA), lip_embeddings(network, lips_TK))


def score_sync(canonical_TN3: Floats, samples_S: Floats, *, weights: Path | None = None) -> SyncScore:
    """Judge canonical meshes (T, 478, 3) in px against 16 kHz speech that starts with them.

    Only what both cover counts. Loads the network; for many clips keep a `SyncJudge`.

    Raises:
        SpeechError: ``sync_too_short``, below two seconds (50 frames).
        WeightsError: the weights are absent, damaged or another network's.
    """
    return SyncJudge(weights).score(canonical_TN3, samples_S)
