"""The motion stage: a window of speech to the four motion tracks.

Legend: S samples, T frames, D speech feature width, C motion channels (361), Z latent width.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from stages.geometry.landmarks import EYES
from stages.moda.blinks import blink_track, lid_opening
from stages.moda.network import Moda, ModaConfig
from stages.moda.noise import frame_noise
from stages.payloads import FRAMES_PER_SECOND, SAMPLES_PER_FRAME, Motion
from stages.speech.context import CONTEXT_FRAMES
from stages.speech.encoder import SpeechEncoder, encode_with_context
from stages.speech.loading import load_encoder
from stages.subject.package import SubjectPackage
from stages.weights import load_weights, read_header, read_sizes

Floats = NDArray[np.float32]


class MotionStage:
    """A speech encoder and a MODA network on one device."""

    context_frames = CONTEXT_FRAMES
    """Frames of speech wanted before and after a window."""

    def __init__(self, encoder: SpeechEncoder, network: Moda, *, device: torch.device) -> None:
        self._encoder, self._network, self._device = encoder, network, device

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
        return cls(encoder, network, device=place)

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
        features_TD = encode_with_context(self._encoder, samples_S)
        margin = self._network.noise_margin
        noise_TZ = frame_noise(
            seed=seed,
            take=take,
            first_frame=first_frame - margin,
            frame_count=frame_count + 2 * margin,
            width=self._network.config.latent,
        )
        with torch.inference_mode(), torch.autocast(self._device.type, torch.bfloat16, enabled=self._on_gpu):
            prediction = self._network(
                self._batch(features_TD), self._batch(subject.template.network_mesh_M), self._batch(noise_TZ)
            )
            rows_TC = (prediction.rows_BTC[0].float() * self._network.scale_C).cpu().numpy()
        motion = Motion.from_rows(rows_TC)
        blinks_TN3 = blink_track(
            self._network.blink_KC.cpu().numpy(),
            rate=float(self._network.blink_rate),
            seed=seed,
            take=take,
            first_frame=first_frame,
            frame_count=frame_count,
            opening=float(lid_opening(subject.template.mesh_N3[None, EYES])[0]),
        )
        return replace(motion, eyes_TN3=motion.eyes_TN3 + blinks_TN3)

    @property
    def _on_gpu(self) -> bool:
        return self._device.type == "cuda"

    def _batch(self, array: Floats) -> Tensor:
        return torch.from_numpy(array)[None].to(self._device)
