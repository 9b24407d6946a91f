"""Our own speech encoder: small, local, and taught to hear what the second layer of Whisper-base hears.

Convolutions at 50 Hz and attention at 25 Hz that reach less than a second to either side. So inside a window with its
context a frame's row does not depend on where the window was cut, and there are no positions for MODA to see
through: Whisper's rows carry their place in the window, ours do not.

Legend: B batch, S samples, F mel bands, K spectral frames at 100 Hz, L rows at 50 Hz, T frames at 25 Hz, C width,
N heads, D feature width.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from stages.payloads import SAMPLES_PER_FRAME
from stages.speech.log_mel import HOP, MEL_BANDS, log_mel
from stages.weights import load_weights
from stages.weights_header import read_header, read_sizes

ARCHITECTURE: Final = "encoder"
_MEL_PER_FRAME: Final = SAMPLES_PER_FRAME // HOP

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class CompactConfig:
    """Sizes of the network.

    Attributes:
        width: C.
        feed_ratio: inner width of the feed-forward parts, in C.
        convolution_blocks: blocks at 50 Hz.
        kernel: rows of 20 ms that a block's convolution spans, odd.
        attention_blocks: blocks at 25 Hz.
        reach: frames to either side that attention sees.
        features: D, Whisper-base's width.
    """

    width: int = 256
    feed_ratio: int = 2
    convolution_blocks: int = 2
    kernel: int = 9
    attention_blocks: int = 3
    heads: int = 4
    reach: int = 6
    features: int = 512

    @property
    def reach_frames(self) -> int:
        """Frames to either side beyond which a sound does not touch a row."""
        # Convolutions, then the stem and the spectral window, which spill over into one row each.
        rows = self.convolution_blocks * (self.kernel // 2) + 2
        return self.attention_blocks * self.reach + -(-rows // 2)


class _FeedForward(nn.Module):
    """Pre-norm feed-forward part with its residual."""

    def __init__(self, config: CompactConfig) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(config.width)
        self.up = nn.Linear(config.width, config.feed_ratio * config.width)
        self.down = nn.Linear(config.feed_ratio * config.width, config.width)

    def forward(self, x_BLC: Tensor) -> Tensor:
        mixed_BLC: Tensor = self.down(functional.gelu(self.up(self.norm(x_BLC))))
        return x_BLC + mixed_BLC


class _ConvolutionBlock(nn.Module):
    """A convolution of every channel over time, then the feed-forward part."""

    def __init__(self, config: CompactConfig) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(config.width)
        self.convolution = nn.Conv1d(
            config.width, config.width, config.kernel, padding=config.kernel // 2, groups=config.width
        )
        self.feed = _FeedForward(config)

    def forward(self, x_BLC: Tensor) -> Tensor:
        mixed_BCL = self.convolution(self.norm(x_BLC).transpose(1, 2))
        mixed_BLC: Tensor = self.feed(x_BLC + mixed_BCL.transpose(1, 2))
        return mixed_BLC


class _AttentionBlock(nn.Module):
    """Attention to the frames within reach, with a learned bias per head and distance, then the feed-forward part."""

    def __init__(self, config: CompactConfig) -> None:
        super().__init__()
        self.heads, self.reach = config.heads, config.reach
        self.norm = nn.LayerNorm(config.width)
        self.qkv = nn.Linear(config.width, 3 * config.width)
        self.output = nn.Linear(config.width, config.width)
        self.bias_NR = nn.Parameter(torch.zeros(config.heads, 2 * config.reach + 1))
        self.feed = _FeedForward(config)

    def forward(self, x_BTC: Tensor) -> Tensor:
        query, key, value = (
            part.unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for part in self.qkv(self.norm(x_BTC)).chunk(3, dim=-1)
        )
        attended_BNTC = functional.scaled_dot_product_attention(
            query, key, value, attn_mask=self._mask_NTT(x_BTC.shape[1])
        )
        mixed_BTC: Tensor = self.feed(x_BTC + self.output(attended_BNTC.transpose(1, 2).flatten(2)))
        return mixed_BTC

    def _mask_NTT(self, frames: int) -> Tensor:
        place_T = torch.arange(frames, device=self.bias_NR.device)
        distance_TT = place_T[None, :] - place_T[:, None]
        bias_NTT = self.bias_NR[:, distance_TT.clamp(-self.reach, self.reach) + self.reach]
        return bias_NTT.masked_fill(distance_TT.abs() > self.reach, float("-inf"))


class CompactNetwork(nn.Module):
    """Log-mel spectra to feature rows."""

    mean_D: Tensor
    """Mean of the teacher's rows."""

    spread_D: Tensor
    """Standard deviation of the teacher's rows."""

    def __init__(self, config: CompactConfig) -> None:
        super().__init__()
        self.config = config
        self.stem = nn.Conv1d(MEL_BANDS, config.width, 3, padding=1)
        self.halve = nn.Conv1d(config.width, config.width, 3, stride=2, padding=1)
        self.convolutions = nn.ModuleList(_ConvolutionBlock(config) for _ in range(config.convolution_blocks))
        self.join = nn.Linear(2 * config.width, config.width)
        self.attentions = nn.ModuleList(_AttentionBlock(config) for _ in range(config.attention_blocks))
        self.norm = nn.LayerNorm(config.width)
        self.head = nn.Linear(config.width, config.features)
        self.register_buffer("mean_D", torch.zeros(config.features))
        self.register_buffer("spread_D", torch.ones(config.features))

    def forward(self, mel_BFK: Tensor) -> Tensor:
        """(B, 80, 4 T) log-mel to (B, T, D) rows in the teacher's units."""
        x_BCL = functional.gelu(self.halve(functional.gelu(self.stem(mel_BFK))))
        x_BLC = x_BCL.transpose(1, 2)
        for block in self.convolutions:
            x_BLC = block(x_BLC)
        x_BTC = self.join(x_BLC.unflatten(1, (-1, 2)).flatten(2))
        for block in self.attentions:
            x_BTC = block(x_BTC)
        rows_BTD: Tensor = self.head(self.norm(x_BTC)) * self.spread_D + self.mean_D
        return rows_BTD


class CompactEncoder(nn.Module):
    """`SpeechEncoder` on a weights file of this network."""

    def __init__(self, path: Path, *, name: str) -> None:
        """Raises WeightsError when the file is absent, damaged, or not the encoder of this name."""
        super().__init__()
        read_header(path)
        self._name = name
        self.network = CompactNetwork(read_sizes(path, CompactConfig))
        load_weights(path, self.network, expected={"architecture": ARCHITECTURE, "encoder": name})
        self.eval().requires_grad_(False)

    @property
    def name(self) -> str:
        """Identity: the name in the weights' header."""
        return self._name

    @property
    def width(self) -> int:
        """D."""
        return self.network.config.features

    def encode(self, samples_S: Floats) -> Floats:
        """(640 T,) samples to (T, D) rows; of any length, though attention needs memory for T squared."""
        mel_FK = log_mel(torch.from_numpy(np.ascontiguousarray(samples_S)))
        with torch.inference_mode():
            rows_TD = self.network(mel_FK[None].to(self.network.mean_D.device))[0]
        rows: Floats = rows_TD.cpu().numpy()
        return rows


assert 2 * HOP * 2 == SAMPLES_PER_FRAME, "two rows of 20 ms are joined to one frame"
