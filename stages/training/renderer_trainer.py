"""Training of the renderer (MODA section 4.3, eq. 18 and 19).

Until the discriminator joins, colour, mouth and perceptual terms bring the picture into place at half the cost of a
step. Legend: B batch, C channels, H/W pixels.
"""

from __future__ import annotations

import copy
import hashlib
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from stages.payloads import FRAMES_PER_SECOND
from stages.render.discriminator import Discriminator
from stages.render.generator import Generator, assemble_input, channels_last
from stages.render.perceptual import PerceptualDistance
from stages.training import renderer_losses as losses
from stages.training.parallel import data_parallel
from stages.training.randomness import Stream, seed_torch
from stages.training.renderer_config import RendererTraining
from stages.training.renderer_data import Batch, RendererClip, RendererSampler
from stages.training.renderer_validation import validate_renderer
from stages.training.schedule import cosine_rate, set_rate, update_average
from stages.training.trainer import KeptParts, Validation, Workers
from stages.weights import load_weights, save_weights
from stages.weights_header import WeightsHeader


class RendererTrainer(KeptParts):
    """Generator, its running average, discriminator and optimisers: a `Trainer`."""

    kept = (
        "generator",
        "average",
        "discriminator",
        "generator_optimiser",
        "discriminator_optimiser",
    )

    def __init__(
        self,
        config: RendererTraining,
        clips: dict[str, RendererClip],
        *,
        workers: Workers,
        device: str,
        start_from: Path | None = None,
    ) -> None:
        """Raises WeightsError when `start_from` is another network, or the perceptual term's is missing."""
        seed_torch(seed=config.seed, step=0, stream=Stream.INITIAL_WEIGHTS)
        self.config, self.clips, self.workers, self.device = config, clips, workers, torch.device(device)
        self.sampler = RendererSampler(list(clips.values()), config=config)
        self.generator = channels_last(Generator(config.generator).to(self.device))
        if start_from is not None:
            load_weights(
                start_from,
                self.generator,
                expected={"architecture": "renderer", "fps": FRAMES_PER_SECOND},
            )
        self.average = copy.deepcopy(self.generator).requires_grad_(False).eval()
        self.discriminator = channels_last(Discriminator(config.discriminator).to(self.device))
        self.perceptual = PerceptualDistance().to(self.device)
        betas = (0.5, 0.999)
        self.generator_optimiser = torch.optim.Adam(self.generator.parameters(), config.learning_rate, betas)
        self.discriminator_optimiser = torch.optim.Adam(
            self.discriminator.parameters(), config.discriminator_learning_rate, betas
        )
        self._parallel_generator = data_parallel(self.generator, workers=workers, device=self.device)
        self._parallel_discriminator = data_parallel(self.discriminator, workers=workers, device=self.device)
        self.steps = config.planned_steps(sum(clip.trained_frames for clip in clips.values()))
        self.step = 0

    def train_step(self) -> dict[str, float]:
        """See `Trainer`: one batch through G, and through D once it has joined."""
        config = self.config
        rate = cosine_rate(
            self.step,
            steps=self.steps,
            rate=config.learning_rate,
            final=config.final_learning_rate,
            decay_from=config.decay_from,
        )
        set_rate(self.generator_optimiser, rate)
        batch = self.sampler.draw(self.step, workers=self.workers).to(self.device)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.device.type == "cuda"):
            picture_BCHW = self._parallel_generator(
                batch.condition_BCHW, batch.reference_BCHW, batch.frames_B
            )
        terms = self._reconstruction(picture_BCHW.float(), batch)
        if self.step >= config.adversarial_from:
            terms |= self._adversarial(picture_BCHW.float(), batch)
        weights = config.weights.of_terms()
        total = torch.stack([weights[name] * term for name, term in terms.items() if name in weights]).sum()
        self.generator_optimiser.zero_grad(set_to_none=True)
        total.backward()
        nn.utils.clip_grad_norm_(self.generator.parameters(), config.clip_gradients)
        self.generator_optimiser.step()
        update_average(self.average, self.generator, step=self.step, decay=config.ema_decay)
        self.step += 1
        return {name: float(term.detach()) for name, term in terms.items()} | {"total": float(total.detach())}

    def _reconstruction(self, picture_BCHW: Tensor, batch: Batch) -> dict[str, Tensor]:
        weights = self.config.weights
        face_BCHW, true_face_BCHW = batch.faces_of(picture_BCHW), batch.faces_of(batch.truth_BCHW)
        content, style = self.perceptual.distances(face_BCHW, true_face_BCHW, style=weights.style > 0)
        terms = {"colour": losses.colour_loss(picture_BCHW, batch.truth_BCHW), "perceptual": content}
        if weights.mouth > 0:
            terms["mouth"] = losses.mouth_loss(picture_BCHW, batch.truth_BCHW, batch.mouth_B1HW)
        if weights.detail > 0:
            terms["detail"] = losses.detail_loss(face_BCHW, true_face_BCHW)
        if style is not None:
            terms["style"] = style
        return terms

    def _adversarial(self, picture_BCHW: Tensor, batch: Batch) -> dict[str, Tensor]:
        inputs_BCHW = assemble_input(
            batch.condition_BCHW,
            batch.reference_BCHW,
            batch.frames_B,
            temporal_encoding=self.config.generator.temporal_encoding,
        )
        self.discriminator.requires_grad_(True)
        real, fake = _judge(
            self._parallel_discriminator, inputs_BCHW, batch.truth_BCHW, picture_BCHW.detach()
        )
        d_loss = losses.discriminator_loss(real, fake, real_share=self.config.weights.real_share)
        self.discriminator_optimiser.zero_grad(set_to_none=True)
        d_loss.backward()
        self.discriminator_optimiser.step()
        self.discriminator.requires_grad_(False)
        # Not the parallel form: nothing of D is learnt in G's turn, so there is nothing to average.
        real, fake = _judge(self.discriminator, inputs_BCHW, batch.truth_BCHW, picture_BCHW)
        return {
            "adversarial": losses.generator_adversarial_loss(fake),
            "feature_matching": losses.feature_matching_loss(real, fake),
            "discriminator": d_loss,
        }

    def validate(self) -> Validation:
        """See `Trainer`: the held-out end of every clip, driven by true landmarks."""
        return validate_renderer(self.average, self.clips, reconstruction=self._validation_terms)

    def _validation_terms(self, picture_BCHW: Tensor, batch: Batch) -> float:
        weights = self.config.weights.of_terms()
        terms = self._reconstruction(picture_BCHW, batch)
        return sum(weights[name] * float(term) for name, term in terms.items())

    def export(self, path: Path) -> None:
        """See `Trainer`; the header names the trained range of every subject."""
        digest = hashlib.sha256()
        for clip in self.clips.values():
            digest.update(np.ascontiguousarray(clip.frames_THW3[: clip.trained_frames]).tobytes())
        trained = {f"trained_frames:{name}": clip.trained_frames for name, clip in self.clips.items()}
        header = WeightsHeader(
            architecture="renderer",
            sizes=asdict(self.config.generator),
            encoder="",
            fps=FRAMES_PER_SECOND,
            training_data=digest.hexdigest(),
            facts={**trained, "composed_face": self.config.composed_face, "steps": self.step},
        )
        save_weights(path, self.average, header)


def _judge(
    discriminator: nn.Module, inputs_BCHW: Tensor, truth_BCHW: Tensor, picture_BCHW: Tensor
) -> tuple[losses.Features, losses.Features]:
    """D's features of true and of rendered pictures.

    Both go through in one batch: normalised apart, each by its own statistics, a blurred batch looks like a sharp
    one, and D never learns the difference.
    """
    both = discriminator(torch.cat([inputs_BCHW, inputs_BCHW]), torch.cat([truth_BCHW, picture_BCHW]))
    count = len(truth_BCHW)
    real = [[features[:count] for features in scale] for scale in both]
    fake = [[features[count:] for features in scale] for scale in both]
    return real, fake
