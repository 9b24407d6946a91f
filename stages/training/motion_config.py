"""What shapes the training of MODA, and its presets."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Final

from stages.moda.network import ModaConfig
from stages.training.motion_losses import MotionLossWeights
from stages.training.renderer_config import Losses, Preset

_WITHOUT_VELOCITY: Final = MotionLossWeights(
    mouth_velocity=0.0, eyes_velocity=0.0, head_velocity=0.0, torso_velocity=0.0
)
"""Eq. 10 and 11 as the paper's text has them; the velocity terms are the released code's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MotionTraining:
    """Everything that shapes a training run but the data.

    Attributes:
        steps: optimiser steps; with `epochs`, replaced by as many passes over the training frames.
        lengths: window lengths in frames, one of which is drawn each step: short clips take part in the short ones.
        frames_a_batch: frames a step over all windows and workers.
        feature_noise: standard deviation of the noise on speech features.
        warm_up: steps over which the divergence gains its weight.
        voices: other voices that every clip is heard in.
        rests: share of windows in which a sound without speech is heard, and lips rest.
    """

    steps: int = 300
    epochs: int | None = None
    learning_rate: float = 1e-3
    final_learning_rate: float = 1e-5
    ema_decay: float = 0.99
    lengths: tuple[int, ...] = (72, 150, 240, 300)
    frames_a_batch: int = 1200
    feature_noise: float = 0.15
    warm_up: int = 100
    voices: int = 0
    rests: float = 0.0
    seed: int = 0
    weights: MotionLossWeights = field(default_factory=MotionLossWeights)
    network: ModaConfig = field(default_factory=ModaConfig)

    @classmethod
    def preset(cls, preset: Preset, *, speech_width: int, losses: Losses = "preset") -> MotionTraining:
        """The paper's training (width 256, windows of 300 frames in batches of 32, 200 epochs), or a small one.

        The `cpu` preset takes some minutes on one core: width 128, `cvae`, lips from SpecAttn alone, which reads the
        speech of four frames around each, and by their distance in px.
        """
        if preset == "paper":
            network = ModaConfig(speech_width=speech_width)
            config = cls(
                epochs=200,
                learning_rate=1e-4,
                final_learning_rate=0.0,
                ema_decay=0.995,
                lengths=(300,),
                frames_a_batch=32 * 300,
                feature_noise=0.0,
                warm_up=0,
                network=network,
            )
        else:
            network = ModaConfig(
                speech_width=speech_width,
                width=128,
                latent=32,
                mode="cvae",
                lips_see_noise=False,
                band=4,
                dropout=0.1,
            )
            config = cls(steps=700, voices=4, rests=0.05, weights=MotionLossWeights.in_px(), network=network)
        if losses == "paper":
            return replace(config, weights=_WITHOUT_VELOCITY)
        if losses == "released":
            return replace(config, weights=MotionLossWeights.released())
        return config

    def planned_steps(self, training_frames: int) -> int:
        """Optimiser steps for so many training frames."""
        if self.epochs is None:
            return self.steps
        return max(1, self.epochs * training_frames // self.frames_a_batch)
