"""What shapes a renderer's training, and its presets."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

from stages.render.discriminator import DiscriminatorConfig
from stages.render.generator_config import GeneratorConfig
from stages.training.renderer_losses import LossWeights

Preset = Literal["paper", "cpu"]
Losses = Literal["preset", "paper", "released"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RendererTraining:
    """Everything that shapes a training run but the data.

    Attributes:
        steps: optimiser steps; with `epochs`, replaced by as many passes over the training frames.
        adversarial_from: the step at which the discriminator joins.
        batch_size: frames a step, over all workers.
        learning_rate, final_learning_rate, decay_from: see `cosine_rate`.
        ema_decay: of the running average, which is what is validated and exported.
        face_crop: side in px of the square around the face that the perceptual and detail terms see; None is the
            whole picture.
        clip_gradients: largest norm of G's gradient.
        random_references: with several clips, how often another frame of the training part is the reference.
        composed_face: draw the condition from the whole mesh; False pastes lips and eyes into the template's
            ("w/o FaCo-Net", Table 4).
    """

    steps: int = 3000
    epochs: int | None = None
    adversarial_from: int = 0
    batch_size: int = 4
    learning_rate: float = 1e-4
    final_learning_rate: float = 1e-4
    decay_from: float = 0.0
    discriminator_learning_rate: float = 1e-4
    ema_decay: float = 0.998
    face_crop: int | None = None
    clip_gradients: float = 50.0
    random_references: float = 0.5
    composed_face: bool = True
    seed: int = 0
    weights: LossWeights = field(default_factory=LossWeights)
    generator: GeneratorConfig = field(default_factory=GeneratorConfig)
    discriminator: DiscriminatorConfig = field(default_factory=DiscriminatorConfig)

    @classmethod
    def preset(cls, preset: Preset, *, losses: Losses = "preset") -> RendererTraining:
        """The paper's training (512 px, 100 epochs), or one that two CPU cores finish in an hour (256 px).

        The `cpu` preset has no discriminator: in the steps that fit it learns to tell next to nothing apart, at
        half of the time. A term of our own on the strength of fine detail stands in for it.
        """
        if preset == "paper":
            config = cls(epochs=100)
        else:
            config = cls(
                steps=4000,
                adversarial_from=4000,
                batch_size=2,
                learning_rate=4e-4,
                final_learning_rate=2e-5,
                decay_from=0.4,
                face_crop=128,
                weights=LossWeights(detail=60.0),
                generator=GeneratorConfig(levels=7, width=24),
                discriminator=DiscriminatorConfig(width=24),
            )
        if losses == "paper":
            return replace(config, weights=LossWeights(), adversarial_from=0)
        if losses == "released":
            return replace(config, weights=LossWeights.released(), adversarial_from=0)
        return config

    def planned_steps(self, training_frames: int) -> int:
        """Optimiser steps for so many training frames."""
        if self.epochs is None:
            return self.steps
        return max(1, self.epochs * training_frames // self.batch_size)
