"""Training of FaCo-Net (MODA eq. 12 and 13). Legend: B batch, C channels, M mesh channels (1434)."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Final

import numpy as np
import torch
from torch import Tensor

from stages.faco.discriminator import FaceDiscriminator
from stages.faco.network import FacoConfig, FaCoNet
from stages.geometry.landmarks import EYES, LIPS
from stages.payloads import FRAMES_PER_SECOND
from stages.training.motion_data import MotionClip, corpus_facts, data_hash
from stages.training.parallel import data_parallel, share_of
from stages.training.randomness import Stream, seed_torch, step_random
from stages.training.renderer_config import Losses, Preset
from stages.training.schedule import cosine_rate, set_rate, update_average
from stages.training.trainer import KeptParts, Validation, Workers
from stages.weights import load_weights, save_weights
from stages.weights_header import WeightsHeader

_BETAS: Final = (0.5, 0.999)


@dataclass(frozen=True, slots=True, kw_only=True)
class ComposerTraining:
    """Everything that shapes a training run but the data; `reconstruction` is lambda of eq. 13, the paper's."""

    steps: int = 3000
    epochs: int | None = None
    batch_size: int = 256
    learning_rate: float = 1e-3
    final_learning_rate: float = 1e-5
    discriminator_share: float = 0.2
    ema_decay: float = 0.995
    reconstruction: float = 10.0
    seed: int = 0
    network: FacoConfig = field(default_factory=FacoConfig)

    @classmethod
    def preset(cls, preset: Preset, *, losses: Losses = "preset") -> ComposerTraining:
        """The paper's training (batches of 32, 300 epochs, Adam 1e-4), or one of minutes on one core."""
        config = cls()
        if preset == "paper":
            config = cls(
                epochs=300,
                batch_size=32,
                learning_rate=1e-4,
                final_learning_rate=1e-4,
                discriminator_share=1.0,
            )
        return replace(config, reconstruction=100.0) if losses == "released" else config

    def planned_steps(self, training_frames: int) -> int:
        """Optimiser steps for so many training frames."""
        if self.epochs is None:
            return self.steps
        return max(1, self.epochs * training_frames // self.batch_size)


class ComposerTrainer(KeptParts):
    """FaCo-Net, its discriminator and optimisers; D first, then G, every step, on the whole batch: a `Trainer`."""

    kept = ("network", "average", "discriminator", "optimiser", "discriminator_optimiser")

    def __init__(
        self,
        config: ComposerTraining,
        clips: Sequence[MotionClip],
        held_out: Sequence[MotionClip],
        *,
        workers: Workers,
        device: str,
        start_from: Path | None = None,
    ) -> None:
        """Raises WeightsError when `start_from` is another network."""
        seed_torch(seed=config.seed, step=0, stream=Stream.INITIAL_WEIGHTS)
        self.config, self.workers, self.device = config, workers, torch.device(device)
        self.clips = [part for clip in clips for part in clip.training_parts(whole=bool(held_out))]
        self._held_out = list(held_out) or [part for clip in clips for part in clip.held_out_parts()]
        self.network = FaCoNet(config.network).to(self.device)
        if start_from is not None:
            load_weights(start_from, self.network, expected={"architecture": "faco"})
        self.average = copy.deepcopy(self.network).requires_grad_(False).eval()
        self.discriminator = FaceDiscriminator().to(self.device)
        self.optimiser = torch.optim.Adam(self.network.parameters(), config.learning_rate, _BETAS)
        self.discriminator_optimiser = torch.optim.Adam(
            self.discriminator.parameters(), config.discriminator_share * config.learning_rate, _BETAS
        )
        self._parallel = data_parallel(self.network, workers=workers, device=self.device)
        self._parallel_discriminator = data_parallel(self.discriminator, workers=workers, device=self.device)
        shares = np.sqrt([clip.frame_count for clip in self.clips])
        self._shares = shares / shares.sum()
        self.steps = config.planned_steps(sum(clip.frame_count for clip in self.clips))
        self.step = 0

    def train_step(self) -> dict[str, float]:
        """See `Trainer`: one batch of frames through D and G."""
        config = self.config
        rate = cosine_rate(
            self.step, steps=self.steps, rate=config.learning_rate, final=config.final_learning_rate
        )
        set_rate(self.optimiser, rate)
        mesh_BM, template_BM = self._draw()
        mouth_BC, eyes_BC = parts(mesh_BM)
        composed_BM = self._parallel(mouth_BC, eyes_BC, template_BM)
        d_loss = self._discriminator_step(mesh_BM, composed_BM.detach(), template_BM)
        self.discriminator.requires_grad_(False)
        score_B1 = self.discriminator(mouth_BC, eyes_BC, composed_BM, template_BM)
        adversarial = ((score_B1 - 1.0) ** 2).mean()
        distance = (composed_BM - mesh_BM).abs().mean()
        self.optimiser.zero_grad(set_to_none=True)
        (adversarial + config.reconstruction * distance).backward()
        self.optimiser.step()
        update_average(self.average, self.network, step=self.step, decay=config.ema_decay)
        self.step += 1
        return {
            "distance": float(distance.detach()),
            "adversarial": float(adversarial.detach()),
            "discriminator": d_loss,
        }

    def _discriminator_step(self, real_BM: Tensor, fake_BM: Tensor, template_BM: Tensor) -> float:
        """Eq. 12; both kinds go through in one pass, as the parallel form averages gradients once a pass."""
        self.discriminator.requires_grad_(True)
        mouth_BC, eyes_BC = parts(real_BM)
        scores_B1 = self._parallel_discriminator(
            mouth_BC.repeat(2, 1),
            eyes_BC.repeat(2, 1),
            torch.cat([real_BM, fake_BM]),
            template_BM.repeat(2, 1),
        )
        real_B1, fake_B1 = scores_B1.chunk(2)
        loss = ((real_B1 - 1.0) ** 2).mean() + (fake_B1**2).mean()
        self.discriminator_optimiser.zero_grad(set_to_none=True)
        loss.backward()
        self.discriminator_optimiser.step()
        return float(loss.detach())

    def _draw(self) -> tuple[Tensor, Tensor]:
        random = step_random(seed=self.config.seed, step=self.step, stream=Stream.BATCH)
        chosen = random.choice(len(self.clips), size=self.config.batch_size, p=self._shares)
        picks = [
            (clip, int(random.integers(clip.frame_count)))
            for clip in (self.clips[int(index)] for index in chosen)
        ]
        mine = share_of(picks, self.workers)
        meshes_BM = np.stack([clip.mesh_TN3[frame].reshape(-1) for clip, frame in mine])
        templates_BM = np.stack([clip.template.network_mesh_M for clip, _ in mine])
        return torch.from_numpy(meshes_BM).to(self.device), torch.from_numpy(templates_BM).to(self.device)

    def validate(self) -> Validation:
        """See `Trainer`: mean absolute distance in px over all held-out frames."""
        distances, frames = 0.0, 0
        with torch.inference_mode():
            for clip in self._held_out:
                mesh_BM = torch.from_numpy(clip.mesh_TN3.reshape(clip.frame_count, -1)).to(self.device)
                template_BM = torch.from_numpy(clip.template.network_mesh_M).to(self.device)
                composed_BM = self.average(*parts(mesh_BM), template_BM.expand(clip.frame_count, -1))
                distances += float((composed_BM - mesh_BM).abs().mean(dim=1).sum())
                frames += clip.frame_count
        distance = distances / max(1, frames)
        return Validation(losses={"distance": distance}, score=distance)

    def export(self, path: Path) -> None:
        """See `Trainer`."""
        header = WeightsHeader(
            architecture="faco",
            sizes=asdict(self.config.network),
            encoder="",
            fps=FRAMES_PER_SECOND,
            training_data=data_hash(self.clips),
            facts=corpus_facts(self.clips, steps=self.step),
        )
        save_weights(path, self.average, header)


def parts(mesh_BM: Tensor) -> tuple[Tensor, Tensor]:
    """The flattened lip (B, 120) and eye (B, 180) displacements of flattened mesh displacements."""
    mesh_BN3 = mesh_BM.unflatten(-1, (-1, 3))
    return mesh_BN3[:, LIPS].flatten(1), mesh_BN3[:, EYES].flatten(1)
