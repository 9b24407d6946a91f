"""What shapes the training of a network that repairs warped references."""

from __future__ import annotations

from dataclasses import dataclass, field

from stages.render.repair_config import RepairConfig
from stages.training.renderer_losses import LossWeights


@dataclass(frozen=True, slots=True, kw_only=True)
class WarpedTraining:
    """Everything that shapes a training run but the data; the defaults take ten minutes of one CPU core.

    Attributes:
        steps: optimiser steps.
        batch_size: frames a step, over all workers.
        learning_rate, final_learning_rate, decay_from: see `cosine_rate`.
        ema_decay: of the running average, which is what is validated and exported.
        face_crop: side in px of the square around the face that the perceptual and detail terms see.
        clip_gradients: largest norm of the gradient.
        apart: frames that references keep from the frame that is learnt: nearer ones know the answer.
        weights: of the losses; there is no discriminator.
        network: sizes.
    """

    steps: int = 2000
    batch_size: int = 1
    learning_rate: float = 5e-4
    final_learning_rate: float = 2e-5
    decay_from: float = 0.4
    ema_decay: float = 0.995
    face_crop: int = 224
    clip_gradients: float = 20.0
    apart: int = 10
    seed: int = 0
    weights: LossWeights = field(default_factory=lambda: LossWeights(detail=150.0))
    network: RepairConfig = field(default_factory=RepairConfig)
