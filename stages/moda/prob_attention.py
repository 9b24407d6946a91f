"""ProbAttn: the probabilistic branch of dual attention, a temporal VAE (MODA eq. 8 and 9).

Legend: B batch, T frames, C width, Z latent width, M motion channels, K kernel taps.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from stages.moda.encodings import alignment_mask, time_encoding

Mode = Literal["paper", "cvae"]

LATENT_MARGIN: Final = 75
"""Frames of noise needed before and after a window in cvae mode: the reach of the slowest latent."""

_LATENT_SIGMAS: Final = (4.0, 8.0, 16.0, 25.0)
"""Time constants in frames of four equal groups of latents: from a nod to a change of posture.

Faster ones were tried (1.5 frames): their draws came out as jitter of 4 px a frame in the head, which the
smoothing then removed together with half of the head's motion. What is faster, a blink, has a model of its own.
"""


@dataclass(frozen=True, slots=True)
class Latents:
    """The branch's output x_p (B, T, C) with the posterior it was drawn from (None when the prior was)."""

    x_BTC: Tensor
    mean_BTZ: Tensor | None
    logvar_BTZ: Tensor | None


class ProbAttention(nn.Module):
    """Encoder to a normal per frame, a draw, and a decoder that reads it; 3 + 3 layers.

    `paper`: the posterior sees speech and subject, and is drawn from at test time as well (section 2.2), with
    positions by time and no mask (section 15, row 10).
    `cvae` (section 15, row 12): the posterior also sees the motion, test time draws from the prior N(0, I), and
    each frame reads its own latent. The draws are low-passed to unit variance at four time constants, so that
    a sample moves like a head and not like noise; the same filter works in training and at test.
    """

    _kernels_ZK: Tensor

    def __init__(
        self,
        width: int,
        *,
        latent: int,
        layers: int,
        heads: int,
        mode: Mode,
        motion_channels: int,
        dropout: float,
    ) -> None:
        """Raises ValueError when cvae latents cannot be split into four groups."""
        super().__init__()
        if mode == "cvae" and latent % len(_LATENT_SIGMAS):
            raise ValueError(f"latent must be a multiple of {len(_LATENT_SIGMAS)} in cvae mode, not {latent}")
        self.width, self.latent, self.mode = width, latent, mode
        self.dropout = nn.Dropout(dropout)
        encoder_layer = nn.TransformerEncoderLayer(
            width, heads, dim_feedforward=width, dropout=dropout, batch_first=True
        )
        self.encoder = nn.TransformerEncoder(encoder_layer, layers, enable_nested_tensor=False)
        self.mean, self.logvar = nn.Linear(width, latent), nn.Linear(width, latent)
        self.memory = nn.Linear(latent, width)
        self.decoder = nn.ModuleList(
            nn.TransformerDecoderLayer(width, heads, dim_feedforward=width, dropout=dropout, batch_first=True)
            for _ in range(layers)
        )
        self.output = nn.Linear(width, width)
        self.motion = nn.Linear(motion_channels, width) if mode == "cvae" else None
        self.register_buffer("_kernels_ZK", _latent_kernels(latent), persistent=False)

    @property
    def margin(self) -> int:
        """Frames of noise wanted before and after the window."""
        return LATENT_MARGIN if self.mode == "cvae" else 0

    def forward(
        self, speech_BTC: Tensor, subject_BC: Tensor, noise_BTZ: Tensor, motion_BTM: Tensor | None = None
    ) -> Latents:
        """x_p from speech codes, the subject code and noise.

        Args:
            speech_BTC: speech codes a.
            subject_BC: subject code s.
            noise_BTZ: standard normal noise (B, T + 2 margin, Z).
            motion_BTM: normalised true motion, in cvae training only.
        """
        frames = speech_BTC.shape[1]
        encoding_TC = time_encoding(frames, self.width).to(speech_BTC)
        x_BTC: Tensor = self.dropout(subject_BC[:, None] + encoding_TC) + speech_BTC
        mean_BTZ, logvar_BTZ = self._posterior(x_BTC, motion_BTM)
        z_BTZ = self._draw(mean_BTZ, logvar_BTZ, noise_BTZ)
        memory_BTC = self.memory(z_BTZ)
        own_TT = None
        if self.mode == "cvae":
            own_TT = torch.zeros(frames, frames).masked_fill(alignment_mask(frames), float("-inf")).to(x_BTC)
        y_BTC = x_BTC
        for layer in self.decoder:
            y_BTC = layer(y_BTC, memory_BTC, memory_mask=own_TT)
        return Latents(self.output(y_BTC), mean_BTZ, logvar_BTZ)

    def _posterior(self, x_BTC: Tensor, motion_BTM: Tensor | None) -> tuple[Tensor | None, Tensor | None]:
        if self.motion is not None:
            if motion_BTM is None:
                return None, None
            x_BTC = x_BTC + self.motion(motion_BTM)
        h_BTC = self.encoder(x_BTC)
        return self.mean(h_BTC), self.logvar(h_BTC).clamp(-12.0, 6.0)

    def _draw(self, mean_BTZ: Tensor | None, logvar_BTZ: Tensor | None, noise_BTZ: Tensor) -> Tensor:
        draw_BTZ = noise_BTZ
        if mean_BTZ is not None and logvar_BTZ is not None:
            margin = self.margin
            inside_BTZ = noise_BTZ[:, margin : noise_BTZ.shape[1] - margin]
            drawn_BTZ = mean_BTZ + torch.exp(0.5 * logvar_BTZ) * inside_BTZ
            # Beyond the window nothing is known: there the prior's own draws stand.
            draw_BTZ = torch.cat(
                [noise_BTZ[:, :margin], drawn_BTZ, noise_BTZ[:, noise_BTZ.shape[1] - margin :]], 1
            )
        if self.mode == "paper":
            return draw_BTZ
        low_passed_BZT = functional.conv1d(
            draw_BTZ.transpose(1, 2), self._kernels_ZK[:, None].to(draw_BTZ), groups=self.latent
        )
        return low_passed_BZT.transpose(1, 2)


def kl_divergence(mean_BTZ: Tensor, logvar_BTZ: Tensor) -> Tensor:
    """L_KLD (eq. 9), mean over batch, time and latents (section 15, row 11)."""
    return -0.5 * (1.0 + logvar_BTZ - mean_BTZ**2 - logvar_BTZ.exp()).mean()


def _latent_kernels(latent: int) -> Tensor:
    """(Z, 2 margin + 1) Gaussian kernels of unit energy: white noise of unit variance keeps it."""
    offsets_K = torch.arange(-LATENT_MARGIN, LATENT_MARGIN + 1, dtype=torch.float32)
    groups = [torch.exp(-0.5 * (offsets_K / sigma) ** 2) for sigma in _LATENT_SIGMAS]
    kernels_GK = torch.stack([kernel_K / kernel_K.norm() for kernel_K in groups])
    return kernels_GK.repeat_interleave(max(1, latent // len(_LATENT_SIGMAS)), dim=0)
