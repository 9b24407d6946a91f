"""Training the judge: random windows of prepared clips, contrastive, with changed lips and noisy sound.

Legend: B windows, T frames, K lip channels, A sound channels.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import torch
from torch import Tensor, nn

from recipes.sync.augment import Augmentation, augmented
from recipes.sync.data import SyncClip
from recipes.sync.loss import offset_loss, stranger_loss
from stages.errors import SubjectError
from stages.sync.judge_network import SyncConfig, SyncNetwork

logger = logging.getLogger(__name__)

_REPORT_EVERY: Final = 50
_FIRST_SCALE: Final = 10.0
_LEAST_SPREAD: Final = 1e-3


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncTraining:
    """How the judge is trained.

    Attributes:
        steps: of the optimiser.
        seed: of weights, windows and noise.
        windows: B, drawn for a step.
        frames: T of a window; clips that are shorter are left out.
        blur_frames: see `offset_loss`.
        strangers: weight of `stranger_loss`.
        sound_noise: spread of the noise on the standardised sound.
        warm_up: steps over which the learning rate rises; it then falls along a cosine.
    """

    steps: int = 300
    seed: int = 0
    windows: int = 16
    frames: int = 48
    learning_rate: float = 2e-3
    weight_decay: float = 0.05
    blur_frames: float = 0.7
    strangers: float = 0.3
    sound_noise: float = 0.3
    warm_up: int = 50
    clip_gradient: float = 1.0
    network: SyncConfig = field(default_factory=SyncConfig)
    augmentation: Augmentation = field(default_factory=Augmentation)


def train_judge(clips: Sequence[SyncClip], training: SyncTraining) -> SyncNetwork:
    """A network in evaluation mode; the same clips and settings give the same weights.

    Raises SubjectError (``sync_no_clips``) when no clip is as long as a window.
    """
    able = [clip for clip in clips if clip.frame_count >= training.frames]
    if not able:
        raise SubjectError(
            code="sync_no_clips",
            where="training clips",
            what=f"none of {len(clips)} has the {training.frames} frames of a window",
            hint="add longer clips",
        )
    torch.manual_seed(training.seed)
    random = np.random.default_rng(training.seed)
    network = SyncNetwork(training.network).train()
    _standardise(network, able)
    log_scale = nn.Parameter(torch.tensor(_FIRST_SCALE).log())
    parameters = [*network.parameters(), log_scale]
    optimiser = torch.optim.AdamW(parameters, lr=training.learning_rate, weight_decay=training.weight_decay)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: _rate(step, training))
    for step in range(1, training.steps + 1):
        loss = _loss(network, _draw(able, training, random), log_scale.exp(), training)
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, training.clip_gradient)
        optimiser.step()
        schedule.step()
        if step % _REPORT_EVERY == 0:
            logger.info("step %d of %d: loss %.3f", step, training.steps, loss.item())
    return network.eval().requires_grad_(False)


def _standardise(network: SyncNetwork, clips: Sequence[SyncClip]) -> None:
    sound_TA = np.concatenate([clip.sound_TA for clip in clips])
    network.sound_mean_A.copy_(torch.from_numpy(sound_TA.mean(axis=0)))
    network.sound_spread_A.copy_(torch.from_numpy(sound_TA.std(axis=0) + _LEAST_SPREAD))


def _rate(step: int, training: SyncTraining) -> float:
    risen = min(1.0, (step + 1) / training.warm_up)
    return float(risen * 0.5 * (1 + np.cos(np.pi * step / training.steps)))


def _draw(
    clips: Sequence[SyncClip], training: SyncTraining, random: np.random.Generator
) -> tuple[Tensor, Tensor]:
    """Sound (B, T, A) and changed lips (B, T, K) of random windows."""
    # The square root keeps the longest speaker from drowning the rest.
    shares = np.sqrt([clip.frame_count for clip in clips])
    picks = random.choice(len(clips), size=training.windows, p=shares / shares.sum())
    sound, lips = [], []
    for clip in (clips[int(pick)] for pick in picks):
        start = int(random.integers(clip.frame_count - training.frames + 1))
        cut = slice(start, start + training.frames)
        sound.append(clip.sound_TA[cut])
        lips.append(augmented(clip.lips_TK[cut], random, training.augmentation))
    return torch.from_numpy(np.stack(sound)), torch.from_numpy(np.stack(lips))


def _loss(
    network: SyncNetwork, batch: tuple[Tensor, Tensor], scale: Tensor, training: SyncTraining
) -> Tensor:
    sound_BTA, lips_BTK = batch
    noise_BTA = training.sound_noise * network.sound_spread_A * torch.randn(sound_BTA.shape)
    sound_BTE = network.embed_sound(sound_BTA + noise_BTA)
    lips_BTE = network.embed_lips(lips_BTK)
    within = offset_loss(sound_BTE, lips_BTE, scale, blur_frames=training.blur_frames)
    return within + training.strangers * stranger_loss(sound_BTE, lips_BTE, scale)
