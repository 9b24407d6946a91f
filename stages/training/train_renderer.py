"""Train the renderer: `python -m stages.training.train_renderer --work DIR --steps N ...`; resumes by itself.

Two phases. The first has no discriminator: colour, mouth and perceptual terms bring the picture into place at
half the cost of a step. The second adds the adversarial and feature-matching terms, for sharpness.
"""

from __future__ import annotations

import argparse
import copy
import json
import logging
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from stages.render.discriminator import Discriminator, DiscriminatorConfig
from stages.render.generator import Generator, GeneratorConfig, assemble_input, channels_last
from stages.render.perceptual import PerceptualDistance
from stages.training import renderer_losses as losses
from stages.training.loop import cosine_rate, run, update_average
from stages.training.renderer_data import Batch, RendererClip, RendererSampler


@dataclass(frozen=True, slots=True, kw_only=True)
class RendererTraining:
    """Everything that shapes a training run but the data."""

    steps: int = 3000
    adversarial_from: int = 1500
    batch_size: int = 4
    learning_rate: float = 4e-4
    final_learning_rate: float = 2e-5
    decay_from: float = 0.5
    discriminator_learning_rate: float = 5e-4
    ema_decay: float = 0.998
    face_crop: int = 128
    seed: int = 0
    weights: losses.LossWeights = field(default_factory=lambda: losses.LossWeights(detail=60.0))
    generator: GeneratorConfig = field(default_factory=lambda: GeneratorConfig(levels=7, width=24))
    discriminator: DiscriminatorConfig = field(default_factory=lambda: DiscriminatorConfig(width=24))


class RendererTrainer:
    """Generator, its running average, discriminator and optimisers, one step at a time."""

    def __init__(self, config: RendererTraining, sampler: RendererSampler, *, device: str) -> None:
        torch.manual_seed(config.seed)
        self.config, self.sampler, self.device = config, sampler, torch.device(device)
        self.generator = channels_last(Generator(config.generator).to(self.device))
        self.average = copy.deepcopy(self.generator).requires_grad_(False).eval()
        self.discriminator = channels_last(Discriminator(config.discriminator).to(self.device))
        self.perceptual = PerceptualDistance().to(self.device)
        self.generator_optimiser = torch.optim.Adam(
            self.generator.parameters(), config.learning_rate, (0.5, 0.999)
        )
        self.discriminator_optimiser = torch.optim.Adam(
            self.discriminator.parameters(), config.learning_rate, (0.5, 0.999)
        )
        self.step = 0

    def train_step(self) -> dict[str, float]:
        """One batch through G (and D, in the second phase); returns the unweighted losses."""
        batch = self.sampler.draw(self.config.batch_size).to(self.device)
        rate = cosine_rate(
            self.step,
            steps=self.config.steps,
            rate=self.config.learning_rate,
            final=self.config.final_learning_rate,
            decay_from=self.config.decay_from,
        )
        for group in self.generator_optimiser.param_groups:
            group["lr"] = rate
        for group in self.discriminator_optimiser.param_groups:
            group["lr"] = self.config.discriminator_learning_rate
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.device.type == "cuda"):
            picture_BCHW = self.generator(batch.condition_BCHW, batch.reference_BCHW, batch.frames_B)
        terms = self._reconstruction(picture_BCHW.float(), batch)
        if self.step >= self.config.adversarial_from:
            terms |= self._adversarial(picture_BCHW.float(), batch)
        weights = asdict(self.config.weights)
        total = torch.stack([weights[name] * term for name, term in terms.items() if name in weights]).sum()
        self.generator_optimiser.zero_grad(set_to_none=True)
        total.backward()
        nn.utils.clip_grad_norm_(self.generator.parameters(), 50.0)
        self.generator_optimiser.step()
        update_average(self.average, self.generator, step=self.step, decay=self.config.ema_decay)
        self.step += 1
        return {name: float(term.detach()) for name, term in terms.items()}

    def _reconstruction(self, picture_BCHW: Tensor, batch: Batch) -> dict[str, Tensor]:
        crop = self.config.face_crop
        corners = [(int(row), int(column)) for row, column in batch.face_corner_B2]

        def crops(pictures_BCHW: Tensor) -> Tensor:
            return torch.stack(
                [
                    p[:, row : row + crop, column : column + crop]
                    for p, (row, column) in zip(pictures_BCHW, corners, strict=True)
                ]
            )

        face_BCHW, true_face_BCHW = crops(picture_BCHW), crops(batch.truth_BCHW)
        return {
            "colour": losses.colour_loss(picture_BCHW, batch.truth_BCHW),
            "mouth": losses.mouth_loss(picture_BCHW, batch.truth_BCHW, batch.mouth_B1HW),
            "perceptual": self.perceptual(face_BCHW, true_face_BCHW),
            "detail": losses.detail_loss(face_BCHW, true_face_BCHW),
        }

    def _adversarial(self, picture_BCHW: Tensor, batch: Batch) -> dict[str, Tensor]:
        inputs_BCHW = assemble_input(batch.condition_BCHW, batch.reference_BCHW, batch.frames_B)
        self.discriminator.requires_grad_(True)
        real, fake = self._judge(inputs_BCHW, batch.truth_BCHW, picture_BCHW.detach())
        d_loss = losses.discriminator_loss(real, fake)
        self.discriminator_optimiser.zero_grad(set_to_none=True)
        d_loss.backward()
        self.discriminator_optimiser.step()
        self.discriminator.requires_grad_(False)
        real, fake = self._judge(inputs_BCHW, batch.truth_BCHW, picture_BCHW)
        return {
            "adversarial": losses.generator_adversarial_loss(fake),
            "feature_matching": losses.feature_matching_loss(real, fake),
            "discriminator": d_loss,
        }

    def _judge(
        self, inputs_BCHW: Tensor, truth_BCHW: Tensor, picture_BCHW: Tensor
    ) -> tuple[losses.Features, losses.Features]:
        """D's features of true and of rendered pictures.

        Both go through in one batch: normalised apart, each by its own statistics, a blurred batch looks like a
        sharp one, and D never learns the difference.
        """
        both = self.discriminator(
            torch.cat([inputs_BCHW, inputs_BCHW]), torch.cat([truth_BCHW, picture_BCHW])
        )
        count = len(truth_BCHW)
        real = [[features[:count] for features in scale] for scale in both]
        fake = [[features[count:] for features in scale] for scale in both]
        return real, fake

    def state(self) -> dict[str, Any]:
        """Everything a resumed run needs to go on exactly as if unbroken."""
        return {
            "step": self.step,
            "generator": self.generator.state_dict(),
            "average": self.average.state_dict(),
            "discriminator": self.discriminator.state_dict(),
            "generator_optimiser": self.generator_optimiser.state_dict(),
            "discriminator_optimiser": self.discriminator_optimiser.state_dict(),
            "sampler": json.dumps(self.sampler.random.bit_generator.state),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from `state`."""
        self.step = state["step"]
        for name in (
            "generator",
            "average",
            "discriminator",
            "generator_optimiser",
            "discriminator_optimiser",
        ):
            getattr(self, name).load_state_dict(state[name])
        self.sampler.random.bit_generator.state = json.loads(state["sampler"])


def main() -> None:
    """Command line of the module."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--work", type=Path, required=True, help="folder with prepared tracks; checkpoints go here"
    )
    parser.add_argument("--steps", type=int, default=RendererTraining().steps)
    parser.add_argument("--adversarial-from", type=int, default=RendererTraining().adversarial_from)
    parser.add_argument("--clips", default="actor_a=1", help="clip=share,...")
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    config = RendererTraining(steps=options.steps, adversarial_from=options.adversarial_from)
    shares = {name: float(share) for name, share in (part.split("=") for part in options.clips.split(","))}
    size = config.generator.size
    clips = {name: RendererClip(options.work / "tracks" / name, size=size) for name in shares}
    sampler = RendererSampler(clips, shares, crop=config.face_crop, seed=config.seed)
    trainer = RendererTrainer(config, sampler, device=options.device)
    run(trainer, steps=config.steps, checkpoint=options.work / "renderer" / "checkpoint.pt")


if __name__ == "__main__":
    main()
