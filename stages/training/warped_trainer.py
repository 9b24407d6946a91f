"""Training of the network that repairs warped references.

Legend: B batch, C channels, S side of a picture (512 px).
"""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Final

import numpy as np
import torch
from torch import Tensor, nn

from stages.payloads import FRAMES_PER_SECOND
from stages.render.generator import channels_last
from stages.render.perceptual import PerceptualDistance
from stages.render.renderer_facts import EXPECTED_WARPED, Architecture
from stages.render.repair_network import RepairNetwork
from stages.training import renderer_losses as losses
from stages.training.parallel import data_parallel
from stages.training.randomness import Stream, seed_torch
from stages.training.renderer_validation import (
    FRAMES_A_CLIP,
    as_frame,
    score_clip_frame,
    sheet,
)
from stages.training.schedule import cosine_rate, set_rate, update_average
from stages.training.trainer import KeptParts, Validation, Workers
from stages.training.warped_config import WarpedTraining
from stages.training.warped_data import WarpedBatch, WarpedClip, WarpedSampler, warped_batch
from stages.weights import load_weights, save_weights
from stages.weights_header import WeightsHeader

_BETAS: Final = (0.9, 0.99)

_PROCESSOR: Final = Path("/proc/cpuinfo")
_HALF_PRECISION: Final = ("avx512_bf16", "amx_bf16")


class WarpedTrainer(KeptParts):
    """Network, its running average and optimiser: a `Trainer`."""

    kept = ("network", "average", "optimiser")

    def __init__(
        self,
        config: WarpedTraining,
        clips: dict[str, WarpedClip],
        *,
        workers: Workers,
        device: str,
        start_from: Path | None = None,
    ) -> None:
        """Raises WeightsError when `start_from` is another network, or the perceptual term's is missing."""
        seed_torch(seed=config.seed, step=0, stream=Stream.INITIAL_WEIGHTS)
        self.config, self.clips, self.workers, self.device = config, clips, workers, torch.device(device)
        self.sampler = WarpedSampler(list(clips.values()), config=config)
        self.network = channels_last(RepairNetwork(config.network).to(self.device))
        if start_from is not None:
            load_weights(start_from, self.network, expected=EXPECTED_WARPED)
        self.average = copy.deepcopy(self.network).requires_grad_(False).eval()
        self.perceptual = PerceptualDistance().to(self.device)
        self.optimiser = torch.optim.Adam(self.network.parameters(), config.learning_rate, _BETAS)
        self._parallel_network = data_parallel(self.network, workers=workers, device=self.device)
        self._half = self.device.type == "cuda" or computes_half_precision()
        self.steps, self.step = config.steps, 0

    def train_step(self) -> dict[str, float]:
        """See `Trainer`."""
        config = self.config
        rate = cosine_rate(
            self.step,
            steps=self.steps,
            rate=config.learning_rate,
            final=config.final_learning_rate,
            decay_from=config.decay_from,
        )
        set_rate(self.optimiser, rate)
        batch = self.sampler.draw(self.step, workers=self.workers).to(self.device)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self._half):
            picture_B3SS = self._parallel_network(*batch.inputs)
        terms = self._reconstruction(picture_B3SS.float(), batch)
        total = self._weighted(terms)
        self.optimiser.zero_grad(set_to_none=True)
        total.backward()
        nn.utils.clip_grad_norm_(self.network.parameters(), config.clip_gradients)
        self.optimiser.step()
        update_average(self.average, self.network, step=self.step, decay=config.ema_decay)
        self.step += 1
        return {name: float(term.detach()) for name, term in terms.items()} | {"total": float(total.detach())}

    def _reconstruction(self, picture_B3SS: Tensor, batch: WarpedBatch) -> dict[str, Tensor]:
        drawn = batch.drawn
        face_BCHW, true_face_BCHW = drawn.faces_of(picture_B3SS), drawn.faces_of(drawn.truth_BCHW)
        return {
            "colour": losses.colour_loss(picture_B3SS, drawn.truth_BCHW),
            "mouth": losses.mouth_loss(picture_B3SS, drawn.truth_BCHW, drawn.mouth_B1HW),
            "perceptual": self.perceptual(face_BCHW, true_face_BCHW),
            "detail": losses.detail_loss(face_BCHW, true_face_BCHW),
        }

    def _weighted(self, terms: Mapping[str, Tensor]) -> Tensor:
        weights = self.config.weights.of_terms()
        return torch.stack([weights[name] * term for name, term in terms.items()]).sum()

    def validate(self) -> Validation:
        """See `Trainer`: the end of what training may see of every clip, driven by true landmarks.

        It is not learnt from. What is held out takes no part: it reports on what was chosen.
        """
        totals, scores, rows, by_clip = [], [], [], {}
        for name, clip in self.clips.items():
            frames, rendered = clip.choosing(count=FRAMES_A_CLIP), []
            for frame in frames:
                batch = warped_batch([(clip, frame)], crop=self.config.face_crop).to(self.device)
                with torch.inference_mode():
                    picture_B3SS = self.average(*batch.inputs).float()
                    totals.append(float(self._weighted(self._reconstruction(picture_B3SS, batch))))
                rendered.append(as_frame(picture_B3SS))
            ours = [
                asdict(score_clip_frame(clip.drawn, *pair)) for pair in zip(frames, rendered, strict=True)
            ]
            by_clip[f"psnr {name}"] = float(np.mean([score["psnr"] for score in ours]))
            scores += ours
            rows.append(sheet([np.asarray(clip.drawn.frames_THW3[frame]) for frame in frames], rendered))
        means = {name: float(np.mean([score[name] for score in scores])) for name in scores[0]}
        loss = float(np.mean(totals))
        return Validation(losses={"loss": loss, **means, **by_clip}, score=loss, sheet_HW3=np.vstack(rows))

    def export(self, path: Path) -> None:
        """See `Trainer`; the header names the trained range of every subject."""
        digest = hashlib.sha256()
        for clip in self.clips.values():
            digest.update(np.ascontiguousarray(clip.drawn.frames_THW3[: clip.drawn.trained_frames]).tobytes())
        trained = {f"trained_frames:{name}": clip.drawn.trained_frames for name, clip in self.clips.items()}
        header = WeightsHeader(
            architecture=Architecture.WARPED.value,
            sizes=asdict(self.config.network),
            encoder="",
            fps=FRAMES_PER_SECOND,
            training_data=digest.hexdigest(),
            facts={**trained, "steps": self.step},
        )
        save_weights(path, self.average, header)


def computes_half_precision() -> bool:
    """Whether this processor multiplies bfloat16 itself; where that is emulated, single precision is quicker."""
    try:
        flags = _PROCESSOR.read_text()
    except OSError:
        return False
    return any(flag in flags for flag in _HALF_PRECISION)
