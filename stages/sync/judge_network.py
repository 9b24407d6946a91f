"""The judge's network: two towers of convolutions over time, whose embeddings meet where lips and sound fit.

Legend: B batch, T frames, A sound channels (D speech features and the log-mel spectrum), K lip channels, C width,
E embedding width.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from stages.sync.inputs import LIP_CHANNELS, MEL_CHANNELS

ARCHITECTURE: Final = "sync"

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncConfig:
    """Sizes of the network.

    Attributes:
        features: D, the speech encoder's width.
        width: C.
        embedding: E.
        kernel: frames that a convolution spans, odd.
        layers: convolutions of a tower.
        dropout: share of channels that training drops, of whole sequences.
    """

    features: int = 512
    width: int = 64
    embedding: int = 64
    kernel: int = 5
    layers: int = 3
    dropout: float = 0.2


class Tower(nn.Module):
    """Inputs (B, T, A) to embeddings (B, T, E) of unit length."""

    def __init__(self, channels: int, config: SyncConfig) -> None:
        super().__init__()
        self.enter = nn.Linear(channels, config.width)
        self.drop = nn.Dropout1d(config.dropout)
        self.norms = nn.ModuleList(nn.LayerNorm(config.width) for _ in range(config.layers))
        self.convolutions = nn.ModuleList(
            nn.Conv1d(
                config.width,
                config.width,
                config.kernel,
                padding=config.kernel // 2,
                padding_mode="replicate",
            )
            for _ in range(config.layers)
        )
        self.leave = nn.Linear(config.width, config.embedding)

    def forward(self, x_BTA: Tensor) -> Tensor:
        """Embeddings (B, T, E)."""
        x_BTC: Tensor = self.enter(x_BTA)
        for norm, convolution in zip(self.norms, self.convolutions, strict=True):
            inner_BCT = self.drop(functional.gelu(norm(x_BTC)).transpose(1, 2))
            x_BTC = x_BTC + convolution(inner_BCT).transpose(1, 2)
        return functional.normalize(self.leave(x_BTC), dim=-1)


class SyncNetwork(nn.Module):
    """Both towers, and the mean and spread of what they are fed."""

    sound_mean_A: Tensor
    sound_spread_A: Tensor

    def __init__(self, config: SyncConfig) -> None:
        super().__init__()
        self.config = config
        channels = config.features + MEL_CHANNELS
        self.sound = Tower(channels, config)
        self.lips = Tower(LIP_CHANNELS, config)
        self.register_buffer("sound_mean_A", torch.zeros(channels))
        self.register_buffer("sound_spread_A", torch.ones(channels))

    def embed_sound(self, sound_BTA: Tensor) -> Tensor:
        """Unit embeddings (B, T, E) of sound."""
        embedded_BTE: Tensor = self.sound((sound_BTA - self.sound_mean_A) / self.sound_spread_A)
        return embedded_BTE

    def embed_lips(self, lips_BTK: Tensor) -> Tensor:
        """Unit embeddings (B, T, E) of lip motion."""
        embedded_BTE: Tensor = self.lips(lips_BTK)
        return embedded_BTE


def sound_embeddings(network: SyncNetwork, sound_TA: Floats) -> Floats:
    """Unit embeddings (T, E) of a whole recording."""
    with torch.inference_mode():
        embedded: Floats = network.embed_sound(torch.from_numpy(sound_TA)[None])[0].numpy()
    return embedded


def lip_embeddings(network: SyncNetwork, lips_TK: Floats) -> Floats:
    """Unit embeddings (T, E) of a whole clip's lips."""
    with torch.inference_mode():
        embedded: Floats = network.embed_lips(torch.from_numpy(lips_TK)[None])[0].numpy()
    return embedded
