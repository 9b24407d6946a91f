"""MODA: mapping once from speech to mouth, eyes, head and torso with dual attention (MODA section 2, eq. 1 to 3).

Legend: B batch, T frames, D speech feature width, C width or motion channels (361), M mesh channels (1434), Z latent
width, K filter taps, Q components.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from stages.mlp import Mlp, initialise_linear
from stages.moda.blinks import BLINK_FRAMES
from stages.moda.prob_attention import Mode, ProbAttention
from stages.moda.recurrent import RecurrentBranches
from stages.moda.residual_motion import RESIDUAL_CHANNELS, RESIDUAL_COMPONENTS, RESIDUAL_TAPS
from stages.moda.spec_attention import SpecAttention
from stages.payloads import (
    EYE_POINTS,
    HEAD_CHANNELS,
    MESH_POINTS,
    MOTION_CHANNELS,
    MOUTH_POINTS,
    TORSO_POINTS,
)

Attention = Literal["dual", "specific", "probabilistic", "lstm"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModaConfig:
    """Sizes and switches of the network.

    Attributes:
        speech_width: channels of the speech features.
        width: d; the paper's models were most likely 256, the released default is 128.
        latent: width of a frame's latent; the released code uses d.
        period: p of PPE and of the causal bias, in frames: one second.
        band: half width of the speech alignment; 0 is eq. 5.
        single_slope: one bias slope for all heads, as released, instead of FaceFormer's four.
        mode: what the posterior sees, see `ProbAttention`.
        lips_see_noise: whether the mouth reads both branches (eq. 2) or only the deterministic one, which
            keeps the lips the same in every take. Changes nothing but in dual attention, which alone has both.
        attention: both branches; SpecAttn alone ("w/o multimodal", Table 3); ProbAttn alone ("w/o specific"); or
            recurrent networks in their place ("LSTM"). Only ProbAttn draws: without it every take is the same.
        calibrated: whether the weights hold a gain per channel, and how head and shoulders move beyond what speech
            tells, see `recipes.calibrate_motion`.
        emphasised: whether they hold, too, how speech makes the head livelier, see `stages.moda.emphasis`.
    """

    speech_width: int = 768
    width: int = 256
    latent: int = 256
    layers: int = 3
    heads: int = 4
    period: int = 25
    band: int = 0
    single_slope: bool = False
    mode: Mode = "paper"
    lips_see_noise: bool = True
    dropout: float = 0.1
    attention: Attention = "dual"
    calibrated: bool = False
    emphasised: bool = False

    @property
    def branches(self) -> int:
        """How many branches' features, of `width` channels each, stand side by side."""
        return 2 if self.attention in ("dual", "lstm") else 1


@dataclass(frozen=True, slots=True)
class _Features:
    """What the mouth and what eyes, head and torso are read from, with the posterior where there is one."""

    lips_BTC: Tensor
    rest_BTC: Tensor
    mean_BTZ: Tensor | None = None
    logvar_BTZ: Tensor | None = None


@dataclass(frozen=True, slots=True)
class MotionPrediction:
    """Normalised motion rows (B, T, 361) with the posterior, None where the prior was drawn from."""

    rows_BTC: Tensor
    mean_BTZ: Tensor | None
    logvar_BTZ: Tensor | None


class Moda(nn.Module):
    """Speech features and the subject's mesh to motion displacements, normalised by `scale_C`."""

    scale_C: Tensor
    """Spread of every motion channel: what one unit of a normalised row is, in px, degrees or parts."""

    gain_C: Tensor
    """Factor on every motion channel that makes up for the caution of a regression; all ones unless calibrated."""

    residual_KQQ: Tensor
    """Filter of what speech does not tell of head and shoulders, see `stages.moda.residual_motion`; else zeros."""

    residual_CQ: Tensor
    """What its components are on the channels of head and torso."""

    emphasis_D: Tensor
    """What each speech feature adds to the logarithm of the power of the head's quick motion."""

    emphasis_bias: Tensor
    """That logarithm where all features are zero."""

    blink_KC: Tensor
    """Eye displacements of one blink per px of lid opening, see `stages.moda.blinks`."""

    blink_rate: Tensor
    """Blinks a frame."""

    def __init__(self, config: ModaConfig) -> None:
        super().__init__()
        self.config = config
        width = config.width
        self.speech_head = Mlp(config.speech_width, width, hidden=width, layers=2, norm=True)
        self.subject_head = Mlp(3 * MESH_POINTS, width, hidden=128, layers=3, norm=True)
        self.spec = _specific(config) if config.attention in ("dual", "specific") else None
        self.prob = _probabilistic(config) if config.attention in ("dual", "probabilistic") else None
        self.recurrent = RecurrentBranches(width) if config.attention == "lstm" else None
        features = config.branches * width
        lips_read_one = config.attention == "dual" and not config.lips_see_noise
        lip_features = width if lips_read_one else features
        self.mouth_tail = Mlp(lip_features, 3 * MOUTH_POINTS, hidden=512, layers=2, norm=True)
        self.eyes_tail = Mlp(features, 3 * EYE_POINTS, hidden=256, layers=3, norm=True)
        self.head_tail = Mlp(features, HEAD_CHANNELS, hidden=256, layers=3, norm=True)
        self.torso_tail = Mlp(features, 3 * TORSO_POINTS, hidden=256, layers=3, norm=True)
        self.apply(initialise_linear)
        self.register_buffer("scale_C", torch.ones(MOTION_CHANNELS))
        self.register_buffer("gain_C", torch.ones(MOTION_CHANNELS), persistent=config.calibrated)
        components = RESIDUAL_COMPONENTS
        self.register_buffer(
            "residual_KQQ", torch.zeros(RESIDUAL_TAPS, components, components), persistent=config.calibrated
        )
        self.register_buffer(
            "residual_CQ", torch.zeros(RESIDUAL_CHANNELS, components), persistent=config.calibrated
        )
        self.register_buffer("emphasis_D", torch.zeros(config.speech_width), persistent=config.emphasised)
        self.register_buffer("emphasis_bias", torch.zeros(()), persistent=config.emphasised)
        self.register_buffer("blink_KC", torch.zeros(BLINK_FRAMES, 3 * EYE_POINTS))
        self.register_buffer("blink_rate", torch.zeros(()))

    def forward(
        self, speech_BTD: Tensor, template_BM: Tensor, noise_BTZ: Tensor, motion_BTC: Tensor | None = None
    ) -> MotionPrediction:
        """Predict normalised displacements.

        Args:
            speech_BTD: one row of speech features per frame.
            template_BM: the subject's canonical mesh, flattened, in units of `TEMPLATE_UNIT` about its centre.
            noise_BTZ: standard normal noise (B, T + 2 `noise_margin`, latent).
            motion_BTC: normalised true motion for the posterior, in cvae training only.
        """
        speech_BTC = self.speech_head(speech_BTD)
        subject_BC = self.subject_head(template_BM)
        features = self._features(speech_BTC, subject_BC, noise_BTZ, motion_BTC)
        rows_BTC = torch.cat(
            [
                self.mouth_tail(features.lips_BTC),
                self.eyes_tail(features.rest_BTC),
                self.head_tail(features.rest_BTC),
                self.torso_tail(features.rest_BTC),
            ],
            dim=-1,
        )
        return MotionPrediction(rows_BTC, features.mean_BTZ, features.logvar_BTZ)

    def displacements(self, rows_BTC: Tensor) -> Tensor:
        """Normalised rows (..., 361) in px, degrees and parts, at their calibrated amplitude."""
        return rows_BTC * (self.scale_C * self.gain_C)

    @property
    def noise_margin(self) -> int:
        """Frames of noise wanted before and after a window."""
        return 0 if self.prob is None else self.prob.margin

    def _features(
        self, speech_BTC: Tensor, subject_BC: Tensor, noise_BTZ: Tensor, motion_BTC: Tensor | None
    ) -> _Features:
        x_BTC = speech_BTC + subject_BC[:, None]
        if self.recurrent is not None:
            both_BTC = self.recurrent(x_BTC)
            return _Features(both_BTC, both_BTC)
        specific_BTC: Tensor | None = None if self.spec is None else self.spec(x_BTC, speech_BTC)
        if self.prob is None:
            assert specific_BTC is not None, "a network has at least one branch"
            return _Features(specific_BTC, specific_BTC)
        latents = self.prob(speech_BTC, subject_BC, noise_BTZ, motion_BTC)
        if specific_BTC is None:
            return _Features(latents.x_BTC, latents.x_BTC, latents.mean_BTZ, latents.logvar_BTZ)
        both_BTC = torch.cat([specific_BTC, latents.x_BTC], dim=-1)
        lips_BTC = both_BTC if self.config.lips_see_noise else specific_BTC
        return _Features(lips_BTC, both_BTC, latents.mean_BTZ, latents.logvar_BTZ)


def _specific(config: ModaConfig) -> SpecAttention:
    return SpecAttention(
        config.width,
        layers=config.layers,
        heads=config.heads,
        period=config.period,
        band=config.band,
        single_slope=config.single_slope,
        dropout=config.dropout,
    )


def _probabilistic(config: ModaConfig) -> ProbAttention:
    return ProbAttention(
        config.width,
        latent=config.latent,
        layers=config.layers,
        heads=config.heads,
        mode=config.mode,
        motion_channels=MOTION_CHANNELS,
        dropout=config.dropout,
    )
