"""Our own speech encoder: small, local, and taught to hear what Whisper-base hears.

Convolutions or attention at 50 Hz, then attention at 25 Hz, that reach a second at most to either side. So inside a
window with its context a frame's row does not depend on where the window was cut, and there are no positions for MODA
to see through: Whisper's rows carry their place in the window, ours do not.

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
FRONT_HEADS: Final = 8
_FRONT_FEED_RATIO: Final = 4

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class CompactConfig:
    """Sizes of the network.

    Attributes:
        width: C, from the blocks at 25 Hz on, and everywhere without a front.
        feed_ratio: inner width of the feed-forward parts, in C.
        front_blocks: attention blocks at 50 Hz in Whisper's own shape, so that its layers can be their start.
        front_width: their width, and the stem's.
        front_reach: rows of 20 ms to either side that they see.
        convolution_blocks: blocks at 50 Hz where there is no front.
        kernel: rows of 20 ms that a block's convolution spans, odd.
        attention_blocks: blocks at 25 Hz.
        reach: frames to either side that attention sees.
        features: D, as many as the teacher has.
    """

    width: int = 256
    feed_ratio: int = 2
    front_blocks: int = 0
    front_width: int = 512
    front_reach: int = 12
    convolution_blocks: int = 2
    kernel: int = 9
    attention_blocks: int = 3
    heads: int = 4
    reach: int = 6
    features: int = 512

    @property
    def reach_frames(self) -> int:
        """Frames to either side beyond which a sound does not touch a row."""
        blocks = self.front_blocks * self.front_reach or self.convolution_blocks * (self.kernel // 2)
        # The stem and the spectral window spill over into one row each.
        rows = blocks + 2
        return self.attention_blocks * self.reach + -(-rows // 2)


class _FeedForward(nn.Module):
    """Pre-norm feed-forward part with its residual."""

    def __init__(self, width: int, ratio: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.up = nn.Linear(width, ratio * width)
        self.down = nn.Linear(ratio * width, width)

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
        self.feed = _FeedForward(config.width, config.feed_ratio)

    def forward(self, x_BLC: Tensor) -> Tensor:
        mixed_BCL = self.convolution(self.norm(x_BLC).transpose(1, 2))
        mixed_BLC: Tensor = self.feed(x_BLC + mixed_BCL.transpose(1, 2))
        return mixed_BLC


class AttentionBlock(nn.Module):
    """Attention to the rows within reach, with a learned bias per head and distance, then the feed-forward part."""

    def __init__(self, *, width: int, heads: int, reach: int, feed_ratio: int) -> None:
        super().__init__()
        self.heads, self.reach = heads, reach
        self.norm = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.output = nn.Linear(width, width)
        self.bias_NR = nn.Parameter(torch.zeros(heads, 2 * reach + 1))
        self.feed = _FeedForward(width, feed_ratio)

    def forward(self, x_BTC: Tensor) -> Tensor:
        """(B, T, C) rows to as many."""
        query, key, value = (
            part.unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for part in self.qkv(self.norm(x_BTC)).chunk(3, dim=-1)
        )
        attended_BNTC = functional.scaled_dot_product_attention(
            query, key, value, attn_mask=self._mask_NTT(x_BTC.shape[1])
        )
        mixed_BTC: Tensor = self.feed(x_BTC + self.output(attended_BNTC.transpose(1, 2).flatten(2)))
        return mixed_BTC

    def _mask_NTT(self, rows: int) -> Tensor:
        place_T = torch.arange(rows, device=self.bias_NR.device)
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
        width = config.front_width if config.front_blocks else config.width
        self.stem = nn.Conv1d(MEL_BANDS, width, 3, padding=1)
        self.halve = nn.Conv1d(width, width, 3, stride=2, padding=1)
        if config.front_blocks:
            self.front_offset_C = nn.Parameter(torch.zeros(width))
        self.front = nn.ModuleList(
            AttentionBlock(
                width=width,
                heads=FRONT_HEADS,
                reach=config.front_reach,
                feed_ratio=_FRONT_FEED_RATIO,
            )
            for _ in range(config.front_blocks)
        )
        self.convolutions = nn.ModuleList(
            _ConvolutionBlock(config) for _ in range(0 if config.front_blocks else config.convolution_blocks)
        )
        self.join = nn.Linear(2 * width, config.width)
        self.attentions = nn.ModuleList(
            AttentionBlock(
                width=config.width, heads=config.heads, reach=config.reach, feed_ratio=config.feed_ratio
            )
            for _ in range(config.attention_blocks)
        )
        self.norm = nn.LayerNorm(config.width)
        self.head = nn.Linear(config.width, config.features)
        self.register_buffer("mean_D", torch.zeros(config.features))
        self.register_buffer("spread_D", torch.ones(config.features))

    def forward(self, mel_BFK: Tensor) -> Tensor:
        """(B, 80, 4 T) log-mel to (B, T, D) rows in the teacher's units."""
        return self.rows(self.front_rows(mel_BFK))

    def front_rows(self, mel_BFK: Tensor) -> Tensor:
        """(B, 80, 4 T) log-mel to the (B, 2 T, C) rows at 50 Hz that the blocks at 25 Hz read."""
        x_BCL = functional.gelu(self.halve(functional.gelu(self.stem(mel_BFK))))
        x_BLC = x_BCL.transpose(1, 2)
        if self.front:
            x_BLC = x_BLC + self.front_offset_C
        for block in (*self.front, *self.convolutions):
            x_BLC = block(x_BLC)
        return x_BLC

    def rows(self, x_BLC: Tensor) -> Tensor:
        """(B, 2 T, C) rows at 50 Hz to (B, T, D) rows in the teacher's units."""
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
