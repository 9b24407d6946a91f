"""The renderer's generator G: a residual U-Net (MODA section 4.1, eq. 15).

Legend: B batch, C channels, H/W pixels.
"""

from __future__ import annotations

from typing import TypeVar

import torch
from torch import Tensor, nn

from stages.render.generator_config import IMAGE_CHANNELS, GeneratorConfig
from stages.render.temporal import temporal_planes

Network = TypeVar("Network", bound=nn.Module)


class ResidualBlock(nn.Module):
    """conv-BN-ReLU-conv-BN plus identity, then ReLU."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(channels),
            nn.ReLU(inplace=True),
            nn.Conv2d(channels, channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(channels),
        )

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Features (B, C, H, W) of the same shape."""
        return torch.relu(x_BCHW + self.body(x_BCHW))


class DownBlock(nn.Sequential):
    """Halves the resolution: strided conv, BN unless outermost or innermost, ReLU, residual block."""

    def __init__(self, inputs: int, outputs: int, *, norm: bool) -> None:
        layers: list[nn.Module] = [nn.Conv2d(inputs, outputs, 3, stride=2, padding=1, bias=False)]
        if norm:
            layers.append(nn.BatchNorm2d(outputs))
        super().__init__(*layers, nn.ReLU(inplace=True), ResidualBlock(outputs))


class UpBlock(nn.Sequential):
    """Doubles the resolution: nearest upsampling, conv, BN, ReLU, residual block."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(
            nn.Upsample(scale_factor=2, mode="nearest"),
            nn.Conv2d(inputs, outputs, 3, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(inplace=True),
            ResidualBlock(outputs),
        )


class Generator(nn.Module):
    """Condition, reference and TPE planes to a picture in [-1, 1]."""

    def __init__(self, config: GeneratorConfig) -> None:
        super().__init__()
        self.config = config
        channels = [config.inputs, *(config.channels(level) for level in range(1, config.levels + 1))]
        self.down = nn.ModuleList(
            DownBlock(channels[level - 1], channels[level], norm=1 < level < config.levels)
            for level in range(1, config.levels + 1)
        )
        # Every up block but the innermost reads its level's skip beside what comes from below.
        self.up = nn.ModuleList(
            UpBlock(channels[level] * (1 if level == config.levels else 2), channels[level - 1])
            for level in range(config.levels, 1, -1)
        )
        self.head = nn.Sequential(
            nn.Upsample(scale_factor=2, mode="nearest"),
            nn.Conv2d(2 * channels[1], IMAGE_CHANNELS, 3, padding=1, bias=False),
            nn.Tanh(),
        )
        self.apply(_initialise)

    def forward(self, condition_BCHW: Tensor, reference_BCHW: Tensor, frames_B: Tensor) -> Tensor:
        """Pictures (B, 3, H, W) in [-1, 1].

        Args:
            condition_BCHW: condition images (B, 3, H, W) in [-1, 1].
            reference_BCHW: the subject's reference image (B, 3, H, W) in [-1, 1].
            frames_B: frame indices (B,) within the trained range.
        """
        x_BCHW = assemble_input(
            condition_BCHW, reference_BCHW, frames_B, temporal_encoding=self.config.temporal_encoding
        )
        skips: list[Tensor] = []
        for block in self.down:
            x_BCHW = block(x_BCHW)
            skips.append(x_BCHW)
        skips.pop()
        for block in self.up:
            x_BCHW = torch.cat([skips.pop(), block(x_BCHW)], dim=1)
        picture_BCHW: Tensor = self.head(x_BCHW)
        return picture_BCHW


def assemble_input(
    condition_BCHW: Tensor, reference_BCHW: Tensor, frames_B: Tensor, *, temporal_encoding: bool = True
) -> Tensor:
    """The 19 input channels in the order of eq. 15: condition, reference, TPE; the first 6 without the last."""
    if not temporal_encoding:
        return torch.cat([condition_BCHW, reference_BCHW], dim=1)
    height, width = condition_BCHW.shape[-2:]
    planes_BCHW = temporal_planes(frames_B, height=height, width=width)
    return torch.cat([condition_BCHW, reference_BCHW, planes_BCHW.to(condition_BCHW.dtype)], dim=1)


def channels_last(network: Network) -> Network:
    """The network with its convolutions' weights laid out channels last, which both CPUs and GPUs run faster."""
    return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Conv2d):
        nn.init.normal_(module.weight, 0.0, 0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
