"""Training of the compact speech encoder on what Whisper hears of lips.

Legend: B batch, F mel bands, K spectral frames, T frames, D feature width.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from recipes.encoder.distil_data import SpeechPool
from recipes.encoder.distil_teacher import Teacher, mel_batch
from recipes.encoder.lip_subspace import DIRECTIONS
from stages.payloads import FRAMES_PER_SECOND, SAMPLES_PER_FRAME
from stages.speech.compact import ARCHITECTURE, CompactConfig, CompactNetwork
from stages.speech.context import CONTEXT_FRAMES, WINDOW_FRAMES, speech_slice
from stages.training.randomness import Stream, seed_torch, step_random
from stages.training.schedule import cosine_rate, set_rate, update_average
from stages.training.trainer import KeptParts, Validation
from stages.training.warped_trainer import computes_half_precision
from stages.weights import save_weights
from stages.weights_header import WeightsHeader

NAME: Final = "compact-3"
"""Name of the encoder that this distillation makes; another one needs another."""

WINDOW_WITH_CONTEXT: Final = WINDOW_FRAMES + 2 * CONTEXT_FRAMES
Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Distillation:
    """Everything that shapes the training but the speech.

    Attributes:
        windows: windows of 14 s a step.
        warm_up: steps over which the rate rises.
        front_rate: the learning rate of the front, which begins as Whisper's, as a share of the others'.
        cosine, telling: weights of the angle, and of the distance in px of lips, beside the distance in spreads.
        front: weight of the front's distance from Whisper's second layer, in spreads.
    """

    steps: int
    windows: int = 1
    frames: int = WINDOW_WITH_CONTEXT
    learning_rate: float = 1e-3
    front_rate: float = 0.3
    final_learning_rate: float = 1e-5
    warm_up: int = 100
    weight_decay: float = 0.01
    ema_decay: float = 0.998
    cosine: float = 0.5
    telling: float = 2.0
    front: float = 0.5
    seed: int = 0
    network: CompactConfig = field(
        default_factory=lambda: CompactConfig(
            front_blocks=2, attention_blocks=3, reach=4, features=DIRECTIONS
        )
    )


class EncoderTrainer(KeptParts):
    """The compact network, its teacher and the speech: a `Trainer`."""

    kept = ("network", "average", "optimiser")

    def __init__(
        self,
        config: Distillation,
        pool: SpeechPool,
        held_out: Sequence[Floats],
        *,
        teacher: Teacher,
        start: Callable[[CompactNetwork], None] | None = None,
    ) -> None:
        """A network that is not trained yet; `start` may give it weights to begin with."""
        seed_torch(seed=config.seed, step=0, stream=Stream.INITIAL_WEIGHTS)
        self.config, self.pool, self.step, self.steps = config, pool, 0, config.steps
        self.teacher, facts = teacher, teacher.facts
        self.network = CompactNetwork(config.network)
        if start is not None:
            start(self.network)
        self.network.mean_D.copy_(facts.mean_D[: config.network.features])
        self.network.spread_D.copy_(facts.spread_D[: config.network.features])
        self.average = copy.deepcopy(self.network).requires_grad_(False).eval()
        self.optimiser = torch.optim.AdamW(
            _groups(self.network, front_share=config.front_rate if config.network.front_blocks else 1.0),
            config.learning_rate,
            weight_decay=config.weight_decay,
        )
        self._half = computes_half_precision()
        self._held_out_mels = [
            mel_batch([window_S]) for speech_S in held_out for window_S in _windows(speech_S)
        ]
        self._held_out_rows = [
            self.teacher.rows(mel_BFK)[..., : config.network.features] for mel_BFK in self._held_out_mels
        ]

    def train_step(self) -> dict[str, float]:
        """See `Trainer`: windows that no other step hears."""
        config = self.config
        rate = cosine_rate(
            self.step, steps=self.steps, rate=config.learning_rate, final=config.final_learning_rate
        )
        set_rate(self.optimiser, rate * min(1.0, (self.step + 1) / config.warm_up))
        for group in self.optimiser.param_groups:
            group["lr"] *= group["share"]
        random = step_random(seed=config.seed, step=self.step, stream=Stream.BATCH)
        mel_BFK = mel_batch([self.pool.window(random, frames=config.frames) for _ in range(config.windows)])
        with torch.autocast("cpu", torch.bfloat16, enabled=self._half):
            wanted_BTD = self.teacher.rows(mel_BFK).float()
            front_BLC = self.network.front_rows(mel_BFK)
            heard_BTD = self.network.rows(front_BLC)
        wanted_BTD = self._standardised(wanted_BTD)
        losses = self._losses(self._standardised(heard_BTD.float()), wanted_BTD)
        total = losses["distance"] + config.cosine * losses["angle"] + config.telling * losses["telling"]
        if config.network.front_blocks:
            losses["front"] = self._front_loss(front_BLC.float(), wanted_BTD)
            total = total + config.front * losses["front"]
        self.optimiser.zero_grad(set_to_none=True)
        total.backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimiser.step()
        update_average(self.average, self.network, step=self.step, decay=config.ema_decay)
        self.step += 1
        return {name: float(value.detach()) for name, value in losses.items()}

    def _standardised(self, rows_BTD: Tensor) -> Tensor:
        """Rows in spreads; the network's are the first of the teacher's."""
        facts, width = self.teacher.facts, rows_BTD.shape[-1]
        return (rows_BTD - facts.mean_D[:width]) / facts.spread_D[:width]

    def _losses(self, heard_BTD: Tensor, wanted_BTD: Tensor) -> dict[str, Tensor]:
        features = self.config.network.features
        wanted_BTD, spread_D = wanted_BTD[..., :features], self.teacher.facts.spread_D[:features]
        # The teacher's directions are in px of lips: by their spread weighs what tells much.
        error_BTD = (heard_BTD - wanted_BTD) * spread_D
        wanted_px_BTD = wanted_BTD * spread_D
        return {
            "distance": functional.smooth_l1_loss(heard_BTD, wanted_BTD),
            "angle": 1.0 - functional.cosine_similarity(heard_BTD, wanted_BTD, dim=-1).mean(),
            "telling": error_BTD.square().mean() / wanted_px_BTD.var(dim=(0, 1)).mean(),
        }

    def _front_loss(self, front_BLC: Tensor, wanted_BTD: Tensor) -> Tensor:
        """Distance of the front from the layer of Whisper that the teacher's last columns are, two rows a frame."""
        facts, features = self.teacher.facts, self.config.network.features
        front_BTC = front_BLC.unflatten(1, (-1, 2)).mean(2)
        heard_BTC = (front_BTC - facts.mean_D[features:]) / facts.spread_D[features:]
        return functional.smooth_l1_loss(heard_BTC, wanted_BTD[..., features:])

    def validate(self) -> Validation:
        """See `Trainer`: share of the variance explained and how the rows point, on held-out speakers."""
        with torch.inference_mode():
            heard = [
                self.average(mel_BFK)[0, CONTEXT_FRAMES:-CONTEXT_FRAMES] for mel_BFK in self._held_out_mels
            ]
        wanted = [rows_BTD[0, CONTEXT_FRAMES:-CONTEXT_FRAMES] for rows_BTD in self._held_out_rows]
        heard_TD, wanted_TD = self._standardised(torch.cat(heard)), self._standardised(torch.cat(wanted))
        unexplained_D = (heard_TD - wanted_TD).square().mean(0) / wanted_TD.var(0)
        losses = {
            "r2": 1.0 - float(unexplained_D.mean()),
            "r2_worst_tenth": 1.0 - float(unexplained_D.quantile(0.9)),
            "cosine": float(functional.cosine_similarity(heard_TD, wanted_TD, dim=-1).mean()),
        }
        error_TD = (heard_TD - wanted_TD) * self.network.spread_D
        spread_D = (wanted_TD * self.network.spread_D).var(0)
        losses["r2_telling"] = 1.0 - float(error_TD.square().mean(0).sum() / spread_D.sum())
        return Validation(losses=losses, score=1.0 - losses["r2_telling"])

    def export(self, path: Path) -> None:
        """See `Trainer`."""
        header = WeightsHeader(
            architecture=ARCHITECTURE,
            sizes=asdict(self.config.network),
            encoder=NAME,
            fps=FRAMES_PER_SECOND,
            training_data=self.pool.digest(),
            facts={
                "teacher": "whisper-base-layers-2-4",
                "steps": self.step,
                "speech_seconds": round(self.pool.seconds),
                **{name: round(value, 4) for name, value in self.validate().losses.items()},
            },
        )
        save_weights(path, self.average, header, eight_bits=True)


def _windows(speech_S: Floats) -> list[Floats]:
    """A recording as rendering hears it: windows of up to 300 frames with context."""
    frames = len(speech_S) // SAMPLES_PER_FRAME
    return [
        speech_slice(speech_S, first_frame=first, frame_count=min(WINDOW_FRAMES, frames - first))
        for first in range(0, frames, WINDOW_FRAMES)
    ]


def _groups(network: CompactNetwork, *, front_share: float) -> list[dict[str, Any]]:
    """The parameters in two groups: stem and front, whose rate is `front_share` of the others'."""
    named = list(network.named_parameters())
    front = [weight for name, weight in named if name.startswith(("stem", "halve", "front"))]
    others = [weight for name, weight in named if not name.startswith(("stem", "halve", "front"))]
    return [{"params": front, "share": front_share}, {"params": others, "share": 1.0}]
