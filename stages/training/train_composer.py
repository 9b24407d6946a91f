"""Train FaCo-Net: `python -m stages.training.train_composer --work DIR`; resumes by itself (MODA eq. 12 and 13)."""

from __future__ import annotations

import argparse
import copy
import json
import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from stages.faco.discriminator import FaceDiscriminator
from stages.faco.network import FaceComposer, FacoConfig
from stages.geometry.landmarks import EYES, LIPS
from stages.payloads import FRAMES_PER_SECOND
from stages.speech.whisper import WhisperEncoder
from stages.training.loop import cosine_rate, run, update_average
from stages.training.motion_data import MotionClip, data_hash, load_motion_clips
from stages.weights import WeightsHeader, save_weights


@dataclass(frozen=True, slots=True, kw_only=True)
class ComposerTraining:
    """Everything that shapes a training run but the data; lambda is the paper's (eq. 13)."""

    steps: int = 3000
    batch_size: int = 256
    learning_rate: float = 1e-3
    final_learning_rate: float = 1e-5
    ema_decay: float = 0.995
    reconstruction: float = 10.0
    seed: int = 0
    network: FacoConfig = field(default_factory=FacoConfig)


class ComposerTrainer:
    """FaCo-Net, its discriminator and optimisers; D first, then G, every step, on the whole batch."""

    def __init__(self, config: ComposerTraining, clips: Sequence[MotionClip], *, device: str) -> None:
        torch.manual_seed(config.seed)
        self.config, self.clips, self.device = config, list(clips), torch.device(device)
        self.network = FaceComposer(config.network).to(self.device)
        self.average = copy.deepcopy(self.network).requires_grad_(False).eval()
        self.discriminator = FaceDiscriminator().to(self.device)
        self.optimiser = torch.optim.Adam(self.network.parameters(), config.learning_rate, (0.5, 0.999))
        self.discriminator_optimiser = torch.optim.Adam(
            self.discriminator.parameters(), 0.2 * config.learning_rate, (0.5, 0.999)
        )
        self.random = np.random.default_rng(config.seed)
        shares = np.sqrt([clip.frame_count for clip in self.clips])
        self._shares = shares / shares.sum()
        self.step = 0

    def train_step(self) -> dict[str, float]:
        """One batch of frames through D and G; returns the unweighted losses."""
        rate = cosine_rate(
            self.step,
            steps=self.config.steps,
            rate=self.config.learning_rate,
            final=self.config.final_learning_rate,
        )
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        mesh_BM, template_BM = self._draw()
        mouth_BC, eyes_BC = parts(mesh_BM)
        composed_BM = self.network(mouth_BC, eyes_BC, template_BM)
        real_B1 = self.discriminator(mouth_BC, eyes_BC, mesh_BM, template_BM)
        fake_B1 = self.discriminator(mouth_BC, eyes_BC, composed_BM.detach(), template_BM)
        d_loss = ((real_B1 - 1.0) ** 2).mean() + (fake_B1**2).mean()
        self.discriminator_optimiser.zero_grad(set_to_none=True)
        d_loss.backward()
        self.discriminator_optimiser.step()
        score_B1 = self.discriminator(mouth_BC, eyes_BC, composed_BM, template_BM)
        adversarial = ((score_B1 - 1.0) ** 2).mean()
        distance = (composed_BM - mesh_BM).abs().mean()
        self.optimiser.zero_grad(set_to_none=True)
        (adversarial + self.config.reconstruction * distance).backward()
        self.optimiser.step()
        update_average(self.average, self.network, step=self.step, decay=self.config.ema_decay)
        self.step += 1
        return {
            "distance": float(distance.detach()),
            "adversarial": float(adversarial.detach()),
            "discriminator": float(d_loss.detach()),
        }

    def _draw(self) -> tuple[Tensor, Tensor]:
        meshes, templates = [], []
        for pick in self.random.choice(len(self.clips), size=self.config.batch_size, p=self._shares):
            clip = self.clips[int(pick)]
            meshes.append(clip.mesh_TN3[int(self.random.integers(clip.frame_count))].reshape(-1))
            templates.append(clip.template.network_mesh_M)
        return torch.from_numpy(np.stack(meshes)).to(self.device), torch.from_numpy(np.stack(templates)).to(
            self.device
        )

    def state(self) -> dict[str, Any]:
        """Everything that a resumed run needs."""
        return {
            "step": self.step,
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "discriminator": self.discriminator.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "discriminator_optimiser": self.discriminator_optimiser.state_dict(),
            "random": json.dumps(self.random.bit_generator.state),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from `state`."""
        self.step = state["step"]
        for name in ("network", "average", "discriminator", "optimiser", "discriminator_optimiser"):
            getattr(self, name).load_state_dict(state[name])
        self.random.bit_generator.state = json.loads(state["random"])


def parts(mesh_BM: Tensor) -> tuple[Tensor, Tensor]:
    """The flattened lip (B, 120) and eye (B, 180) displacements of flattened mesh displacements."""
    mesh_BN3 = mesh_BM.unflatten(-1, (-1, 3))
    return mesh_BN3[:, LIPS].flatten(1), mesh_BN3[:, EYES].flatten(1)


def main() -> None:
    """Command line of the module."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--work", type=Path, required=True, help="folder with prepared tracks; results go here"
    )
    parser.add_argument("--steps", type=int, default=ComposerTraining().steps)
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    config = ComposerTraining(steps=options.steps)
    clips = load_motion_clips(options.work, WhisperEncoder(), held_out=False)
    trainer = ComposerTrainer(config, clips, device=options.device)
    folder = options.work / "faco"
    run(trainer, steps=config.steps, checkpoint=folder / "checkpoint.pt", log_every=100, save_every=500)
    header = WeightsHeader(
        architecture="faco",
        sizes=asdict(config.network),
        encoder="",
        fps=FRAMES_PER_SECOND,
        training_data=data_hash(clips),
        facts={"clips": len(clips), "frames": sum(clip.frame_count for clip in clips), "steps": trainer.step},
    )
    save_weights(folder / "faco.safetensors", trainer.average, header)


if __name__ == "__main__":
    main()
