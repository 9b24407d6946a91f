"""The motion stage: a window of speech to the four motion tracks.

Legend: S samples.
"""

from __future__ import annotations

from pathlib import Path
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray

from stages.moda.network import Moda, ModaConfig
from stages.moda.window import window_motion
from stages.payloads import FRAMES_PER_SECOND, SAMPLES_PER_FRAME, Motion
from stages.speech.context import CONTEXT_FRAMES
from stages.speech.encoder import SpeechEncoder, encode_with_context
from stages.speech.loading import load_encoder
from stages.subject.package import SubjectPackage
from stages.weights import load_weights
from stages.weights_header import read_header, read_sizes

Floats = NDArray[np.float32]


class MotionStage:
    """A speech encoder and a MODA network on one device."""

    context_frames = CONTEXT_FRAMES
    """Frames of speech wanted before and after a window."""

    def __init__(self, encoder: SpeechEncoder, network: Moda) -> None:
        self._encoder, self._network = encoder, network

    @classmethod
    def load(cls, *, weights: Path, device: str) -> Self:
        """Load the network and the speech encoder its weights were trained on.

        Raises WeightsError when either is missing or of another kind.
        """
        header = read_header(weights)
        place = torch.device(device)
        encoder = load_encoder(header.encoder, device=place)
        network = Moda(read_sizes(weights, ModaConfig)).to(place).eval().requires_grad_(False)
        load_weights(
            weights,
            network,
            expected={"architecture": "moda", "encoder": encoder.name, "fps": FRAMES_PER_SECOND},
        )
        return cls(encoder, network)

    def predict_window(
        self,
        samples_S: Floats,
        *,
        first_frame: int,
        frame_count: int,
        subject: SubjectPackage,
        seed: int,
        take: int,
    ) -> Motion:
        """Displacements from the subject's template for frames [first_frame, first_frame + frame_count).

        Args:
            samples_S: 16 kHz samples of these frames and of `context_frames` on either side.
            first_frame: absolute; keys the noise.

        Raises:
            ValueError: `samples_S` is not as long as the frames.
        """
        wanted = (frame_count + 2 * self.context_frames) * SAMPLES_PER_FRAME
        if len(samples_S) != wanted:
            raise ValueError(f"{frame_count} frames with context are {wanted} samples, not {len(samples_S)}")
        return window_motion(
            self._network,
            encode_with_context(self._encoder, samples_S),
            template=subject.template,
            first_frame=first_frame,
            seed=seed,
            take=take,
        )
