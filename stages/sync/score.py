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
from stages.sync.network import ARCHITECTURE, SyncConfig, SyncNetwork
from stages.sync.offsets import SyncScore, check_length, score_embeddings
from stages.weights import load_weights, read_sizes

Floats = NDArray[np.float32]


class SyncJudge:
    """The network with its speech encoder: load it once, judge many clips."""

    def __init__(self, weights: Path | None = None) -> None:
        """Args: weights: a file of `stages.sync.train`; the shipped one by default.

        Raises WeightsError when the file is absent, damaged or another network's.
        """
        path = builtin_weights("sync") if weights is None else weights
        self.encoder = load_encoder(ENCODER, device=torch.device("cpu"))
        self.network = SyncNetwork(read_sizes(path, SyncConfig)).eval().requires_grad_(False)
        load_weights(path, self.network, expected={"architecture": ARCHITECTURE, "encoder": ENCODER})

    def score(self, canonical_TN3: Floats, samples_S: Floats) -> SyncScore:
        """As `score_sync`."""
        frames = min(len(canonical_TN3), len(samples_S) // SAMPLES_PER_FRAME)
        check_length(frames)
        sound_TA = sound_input(self.encoder, samples_S[: frames * SAMPLES_PER_FRAME])
        lips_TK = lip_input(canonical_TN3[:frames])
        with torch.inference_mode():
            sound_TE = self.network.embed_sound(torch.from_numpy(sound_TA)[None])[0].numpy()
            lips_TE = self.network.embed_lips(torch.from_numpy(lips_TK)[None])[0].numpy()
        return score_embeddings(sound_TE, lips_TE)


def score_sync(canonical_TN3: Floats, samples_S: Floats, *, weights: Path | None = None) -> SyncScore:
    """Judge canonical meshes (T, 478, 3) in px against 16 kHz speech that starts with them.

    Only what both cover counts. Loads the network; for many clips keep a `SyncJudge`.

    Raises:
        SpeechError: ``sync.too-short``, below two seconds (50 frames).
        WeightsError: the weights are absent, damaged or another network's.
    """
    return SyncJudge(weights).score(canonical_TN3, samples_S)
