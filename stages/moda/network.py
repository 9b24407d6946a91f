"""MODA: mapping once from speech to mouth, eyes, head and torso with dual attention (MODA section 2, eq. 1 to 3).

Legend: B batch, T frames, D speech feature width, C width, M mesh channels (1434), Z latent width.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from stages.mlp import Mlp, initialise_linear
from stages.moda.blinks import BLINK_FRAMES
from stages.moda.prob_attention import Mode, ProbAttention
from stages.moda.spec_attention import SpecAttention
from stages.payloads import (
    EYE_POINTS,
    HEAD_CHANNELS,
    MESH_POINTS,
    MOTION_CHANNELS,
    MOUTH_POINTS,
    TORSO_POINTS,
)


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
            keeps the lips the same in every take.
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
        self.spec = SpecAttention(
            width,
            layers=config.layers,
            heads=config.heads,
            period=config.period,
            band=config.band,
            single_slope=config.single_slope,
            dropout=config.dropout,
        )
        self.prob = ProbAttention(
            width,
            latent=config.latent,
            layers=config.layers,
            heads=config.heads,
            mode=config.mode,
            motion_channels=MOTION_CHANNELS,
            dropout=config.dropout,
        )
        lip_inputs = 2 * width if config.lips_see_noise else width
        self.mouth_tail = Mlp(lip_inputs, 3 * MOUTH_POINTS, hidden=512, layers=2, norm=True)
        self.eyes_tail = Mlp(2 * width, 3 * EYE_POINTS, hidden=256, layers=3, norm=True)
        self.head_tail = Mlp(2 * width, HEAD_CHANNELS, hidden=256, layers=3, norm=True)
        self.torso_tail = Mlp(2 * width, 3 * TORSO_POINTS, hidden=256, layers=3, norm=True)
        self.apply(initialise_linear)
        self.register_buffer("scale_C", torch.ones(MOTION_CHANNELS))
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
        specific_BTC = self.spec(speech_BTC + subject_BC[:, None], speech_BTC)
        latents = self.prob(speech_BTC, subject_BC, noise_BTZ, motion_BTC)
        both_BTC = torch.cat([specific_BTC, latents.x_BTC], dim=-1)
        rows_BTC = torch.cat(
            [
                self.mouth_tail(both_BTC if self.config.lips_see_noise else specific_BTC),
                self.eyes_tail(both_BTC),
                self.head_tail(both_BTC),
                self.torso_tail(both_BTC),
            ],
            dim=-1,
        )
        return MotionPrediction(rows_BTC, latents.mean_BTZ, latents.logvar_BTZ)

    @property
    def noise_margin(self) -> int:
        """Frames of noise wanted before and after a window."""
        return self.prob.margin
