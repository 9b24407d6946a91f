"""Training of MODA (eq. 10 and 11). The speech encoder is frozen; its features are computed once per clip.

Legend: B batch, T frames, D speech feature width, Z latent width, C motion channels.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Final

import torch
from torch import Tensor, nn

from stages.moda.network import Moda, MotionPrediction
from stages.moda.prob_attention import kl_divergence
from stages.payloads import FRAMES_PER_SECOND
from stages.training.learn_blinks import learn_blinks
from stages.training.motion_config import MotionTraining
from stages.training.motion_data import (
    Floats,
    MotionBatch,
    MotionClip,
    MotionSampler,
    channel_scale,
    corpus_facts,
    data_hash,
    validation_windows,
)
from stages.training.motion_losses import MOUTH, motion_losses
from stages.training.parallel import data_parallel
from stages.training.randomness import Stream, seed_torch, torch_seed
from stages.training.schedule import cosine_rate, set_rate, update_average
from stages.training.trainer import KeptParts, Validation, Workers
from stages.weights import load_weights, save_weights
from stages.weights_header import WeightsHeader

_LARGEST_GRADIENT: Final = 5.0


class MotionTrainer(KeptParts):
    """MODA with its running average and optimiser: a `Trainer`.

    It learns from the training part of `clips`, and is validated on `held_out`; where there are none, on the ends
    of `clips` that no training sees.
    """

    kept = ("network", "average", "optimiser")

    def __init__(
        self,
        config: MotionTraining,
        clips: Sequence[MotionClip],
        held_out: Sequence[MotionClip],
        *,
        encoder: str,
        workers: Workers,
        device: str,
        start_from: Path | None = None,
        sounds: Sequence[Floats] = (),
    ) -> None:
        """`sounds` are features (300, D) of what is no speech, at which lips are to rest.

        Raises WeightsError when `start_from` is another network, or no clip shows a blink.
        """
        seed_torch(seed=config.seed, step=0, stream=Stream.INITIAL_WEIGHTS)
        self.config, self.workers, self.device = config, workers, torch.device(device)
        self.clips = [part for clip in clips for part in clip.training_parts(whole=bool(held_out))]
        self.encoder = encoder
        self.sampler = MotionSampler(self.clips, config=config, sounds=sounds)
        self._windows = validation_windows(
            held_out or [part for clip in clips for part in clip.held_out_parts()]
        )
        self.network = Moda(config.network).to(self.device)
        if start_from is not None:
            load_weights(start_from, self.network, expected={"architecture": "moda", "encoder": encoder})
        else:
            self._learn_statistics()
        self.average = copy.deepcopy(self.network).requires_grad_(False).eval()
        self.optimiser = torch.optim.AdamW(self.network.parameters(), config.learning_rate, (0.9, 0.99))
        self._parallel = data_parallel(self.network, workers=workers, device=self.device)
        self.steps = config.planned_steps(sum(clip.frame_count for clip in self.clips))
        self.step = 0

    def _learn_statistics(self) -> None:
        blinks = learn_blinks(self.clips)
        self.network.scale_C.copy_(torch.from_numpy(channel_scale(self.clips)))
        self.network.blink_KC.copy_(torch.from_numpy(blinks.profile_KC))
        self.network.blink_rate.fill_(blinks.rate)

    def train_step(self) -> dict[str, float]:
        """See `Trainer`: one batch of windows of equal length."""
        config = self.config
        seed_torch(seed=config.seed, step=self.step, stream=Stream.DROPOUT, rank=self.workers.rank)
        rate = cosine_rate(
            self.step, steps=self.steps, rate=config.learning_rate, final=config.final_learning_rate
        )
        set_rate(self.optimiser, rate)
        batch = self.sampler.draw(self.step, workers=self.workers).to(self.device)
        noise = torch.Generator().manual_seed(
            torch_seed(seed=config.seed, step=self.step, stream=Stream.NOISE, rank=self.workers.rank)
        )
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.device.type == "cuda"):
            terms = self._losses(self._parallel, batch, noise, feature_noise=config.feature_noise)
        warmth = min(1.0, self.step / max(1, config.warm_up))
        total = self._total(terms, divergence_share=warmth)
        self.optimiser.zero_grad(set_to_none=True)
        total.backward()
        nn.utils.clip_grad_norm_(self.network.parameters(), _LARGEST_GRADIENT)
        self.optimiser.step()
        update_average(self.average, self.network, step=self.step, decay=config.ema_decay)
        self.step += 1
        return {name: float(term.detach()) for name, term in terms.items()} | {"total": float(total.detach())}

    def _total(self, terms: dict[str, Tensor], *, divergence_share: float) -> Tensor:
        weights = asdict(self.config.weights)
        weights["divergence"] *= divergence_share
        return torch.stack([weights[name] * term for name, term in terms.items()]).sum()

    def _losses(
        self, network: nn.Module, batch: MotionBatch, noise: torch.Generator, *, feature_noise: float
    ) -> dict[str, Tensor]:
        truth_BTC = batch.rows_BTC / self.network.scale_C
        frames = truth_BTC.shape[1] + 2 * self.network.noise_margin
        noise_BTZ = torch.randn(len(truth_BTC), frames, self.config.network.latent, generator=noise)
        # Minutes of speech are few: noise on the features stands in for voices never heard.
        jitter_BTD = torch.randn(batch.features_BTD.shape, generator=noise).to(self.device)
        features_BTD = batch.features_BTD + feature_noise * jitter_BTD
        sees_motion = self.config.network.mode == "cvae"
        prediction: MotionPrediction = network(
            features_BTD, batch.template_BM, noise_BTZ.to(self.device), truth_BTC if sees_motion else None
        )
        terms = motion_losses(
            prediction.rows_BTC.float(),
            truth_BTC,
            batch.torso_B,
            scale_C=self.network.scale_C,
            template_BM=batch.template_BM,
        )
        if prediction.mean_BTZ is not None and prediction.logvar_BTZ is not None:
            terms["divergence"] = kl_divergence(prediction.mean_BTZ.float(), prediction.logvar_BTZ.float())
        return terms

    def validate(self) -> Validation:
        """See `Trainer`: every loss over held-out windows, and the lips' distance in px, which is the score.

        The losses favour lips that hardly open, long before the distance does.
        """
        noise = torch.Generator().manual_seed(0)
        sums: dict[str, float] = {}
        weight = 0
        with torch.inference_mode():
            for window in self._windows:
                batch = window.to(self.device)
                terms = self._losses(self.average, batch, noise, feature_noise=0.0)
                terms["total"] = self._total(terms, divergence_share=1.0)
                terms["lip distance"] = self._lip_distance(batch, noise)
                frames = batch.rows_BTC.shape[1]
                for name, term in terms.items():
                    sums[name] = sums.get(name, 0.0) + frames * float(term)
                weight += frames
        means = {name: value / weight for name, value in sums.items()}
        return Validation(losses=means, score=means["lip distance"])

    def _lip_distance(self, batch: MotionBatch, noise: torch.Generator) -> Tensor:
        """Mean distance in px, in the picture's plane, of lips predicted as at test time: noise from the prior."""
        frames = batch.rows_BTC.shape[1] + 2 * self.average.noise_margin
        noise_BTZ = torch.randn(len(batch.rows_BTC), frames, self.config.network.latent, generator=noise)
        prediction = self.average(batch.features_BTD, batch.template_BM, noise_BTZ.to(self.device))
        rows_BTC = self.average.displacements(prediction.rows_BTC.float())
        off_BTN3 = (rows_BTC - batch.rows_BTC)[..., MOUTH].unflatten(-1, (-1, 3))
        return off_BTN3[..., :2].norm(dim=-1).mean()

    def export(self, path: Path) -> None:
        """See `Trainer`."""
        header = WeightsHeader(
            architecture="moda",
            sizes=asdict(self.config.network),
            encoder=self.encoder,
            fps=FRAMES_PER_SECOND,
            training_data=data_hash(self.clips),
            facts=corpus_facts(self.clips, steps=self.step),
        )
        save_weights(path, self.average, header)
