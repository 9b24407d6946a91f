"""Train MODA: `python -m stages.training.train_motion --work DIR [--mode cvae]`; resumes by itself.

The speech encoder is frozen; its features are computed once per clip.
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
from torch import nn

from stages.moda.network import Moda, ModaConfig
from stages.moda.prob_attention import kl_divergence
from stages.payloads import FRAMES_PER_SECOND
from stages.speech.whisper import WhisperEncoder
from stages.training.learn_blinks import Blinks, learn_blinks
from stages.training.loop import cosine_rate, run, update_average
from stages.training.motion_data import (
    MotionBatch,
    MotionSampler,
    channel_scale,
    data_hash,
    load_motion_clips,
)
from stages.training.motion_losses import MotionLossWeights, motion_losses
from stages.weights import WeightsHeader, save_weights

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class MotionTraining:
    """Everything that shapes a training run but the data."""

    steps: int = 1200
    learning_rate: float = 1e-3
    final_learning_rate: float = 1e-5
    ema_decay: float = 0.995
    lengths: tuple[int, ...] = (72, 150, 240, 300)
    frames_a_batch: int = 1200
    feature_noise: float = 0.3
    warm_up: int = 300
    seed: int = 0
    weights: MotionLossWeights = field(default_factory=lambda: MotionLossWeights(divergence=0.2))
    network: ModaConfig = field(
        default_factory=lambda: ModaConfig(
            speech_width=512, width=128, latent=32, mode="cvae", lips_see_noise=False, dropout=0.2
        )
    )


class MotionTrainer:
    """MODA with its running average and optimiser, one step at a time."""

    def __init__(
        self,
        config: MotionTraining,
        sampler: MotionSampler,
        scale_C: torch.Tensor,
        *,
        blinks: Blinks | None = None,
        device: str,
    ) -> None:
        torch.manual_seed(config.seed)
        self.config, self.sampler, self.device = config, sampler, torch.device(device)
        self.network = Moda(config.network).to(self.device)
        self.network.scale_C.copy_(scale_C)
        if blinks is not None:
            self.network.blink_KC.copy_(torch.from_numpy(blinks.profile_KC))
            self.network.blink_rate.fill_(blinks.rate)
        self.average = copy.deepcopy(self.network).requires_grad_(False).eval()
        self.optimiser = torch.optim.AdamW(self.network.parameters(), config.learning_rate, (0.9, 0.99))
        self.noise = torch.Generator().manual_seed(config.seed)
        self.step = 0

    def train_step(self) -> dict[str, float]:
        """One batch of windows; returns the unweighted losses."""
        config = self.config
        for group in self.optimiser.param_groups:
            group["lr"] = cosine_rate(
                self.step, steps=config.steps, rate=config.learning_rate, final=config.final_learning_rate
            )
        terms = self._losses(self.sampler.draw())
        weights = asdict(config.weights)
        weights["divergence"] *= min(1.0, self.step / max(1, config.warm_up))
        total = torch.stack([weights[name] * term for name, term in terms.items()]).sum()
        self.optimiser.zero_grad(set_to_none=True)
        total.backward()
        nn.utils.clip_grad_norm_(self.network.parameters(), 5.0)
        self.optimiser.step()
        update_average(self.average, self.network, step=self.step, decay=config.ema_decay)
        self.step += 1
        return {name: float(term.detach()) for name, term in terms.items()}

    def _losses(self, batch: MotionBatch) -> dict[str, torch.Tensor]:
        truth_BTC = (batch.rows_BTC.to(self.device)) / self.network.scale_C
        frames = truth_BTC.shape[1] + 2 * self.network.noise_margin
        noise_BTZ = torch.randn(len(truth_BTC), frames, self.config.network.latent, generator=self.noise)
        features_BTD = batch.features_BTD.to(self.device)
        # Minutes of speech are few: noise on the features stands in for voices never heard.
        jitter_BTD = torch.randn(features_BTD.shape, generator=self.noise).to(self.device)
        features_BTD = features_BTD + self.config.feature_noise * jitter_BTD
        sees_motion = self.config.network.mode == "cvae"
        prediction = self.network(
            features_BTD,
            batch.template_BM.to(self.device),
            noise_BTZ.to(self.device),
            truth_BTC if sees_motion else None,
        )
        terms = motion_losses(prediction.rows_BTC, truth_BTC, batch.torso_B.to(self.device))
        if prediction.mean_BTZ is not None and prediction.logvar_BTZ is not None:
            terms["divergence"] = kl_divergence(prediction.mean_BTZ, prediction.logvar_BTZ)
        return terms

    def state(self) -> dict[str, Any]:
        """Everything that a resumed run needs."""
        return {
            "step": self.step,
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "sampler": json.dumps(self.sampler.random.bit_generator.state),
            "noise": self.noise.get_state(),
            "torch": torch.get_rng_state(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from `state`."""
        self.step = state["step"]
        for name in ("network", "average", "optimiser"):
            getattr(self, name).load_state_dict(state[name])
        self.sampler.random.bit_generator.state = json.loads(state["sampler"])
        self.noise.set_state(state["noise"])
        torch.set_rng_state(state["torch"])


def main() -> None:
    """Command line of the module."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--work", type=Path, required=True, help="folder with prepared tracks; results go here"
    )
    parser.add_argument("--steps", type=int, default=MotionTraining().steps)
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    config = MotionTraining(steps=options.steps)
    encoder = WhisperEncoder()
    clips = load_motion_clips(options.work, encoder, held_out=False)
    scale_C = torch.from_numpy(channel_scale(clips))
    sampler = MotionSampler(
        clips, lengths=config.lengths, frames_a_batch=config.frames_a_batch, seed=config.seed
    )
    trainer = MotionTrainer(config, sampler, scale_C, blinks=learn_blinks(clips), device=options.device)
    folder = options.work / "moda"
    run(trainer, steps=config.steps, checkpoint=folder / "checkpoint.pt")
    header = WeightsHeader(
        architecture="moda",
        sizes=asdict(config.network),
        encoder=encoder.name,
        fps=FRAMES_PER_SECOND,
        training_data=data_hash(clips),
        facts={"clips": len(clips), "frames": sum(clip.frame_count for clip in clips), "steps": trainer.step},
    )
    save_weights(folder / "moda.safetensors", trainer.average, header)


if __name__ == "__main__":
    main()
