"""The renderer's multi-scale PatchGAN discriminator D (MODA section 4.2, eq. 18).

Legend: B batch, C channels, H/W pixels.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from stages.render.generator_config import IMAGE_CHANNELS, condition_channels


@dataclass(frozen=True, slots=True, kw_only=True)
class DiscriminatorConfig:
    """Size of a discriminator; the defaults are the paper's at 512 px.

    Attributes:
        scales: resolutions that are judged.
        layers: strided and plain convolutions of each before the map of scores.
        width: channels of the first.
        temporal_encoding: whether D sees the planes of time; must be as in the generator's configuration.
    """

    scales: int = 3
    layers: int = 4
    width: int = 64
    temporal_encoding: bool = True

    @property
    def inputs(self) -> int:
        """Input channels with the picture that is judged: 22, or 9 without the encoding of time."""
        return condition_channels(temporal_encoding=self.temporal_encoding) + IMAGE_CHANNELS


class PatchDiscriminator(nn.Module):
    """One scale: strided 4 x 4 convs, then a map of patch scores."""

    def __init__(self, config: DiscriminatorConfig) -> None:
        super().__init__()
        widths = [config.width * min(2**layer, 8) for layer in range(config.layers)]
        blocks: list[nn.Module] = [
            nn.Sequential(nn.Conv2d(config.inputs, widths[0], 4, stride=2, padding=2), nn.LeakyReLU(0.2))
        ]
        for inputs, outputs, stride in zip(
            widths, [*widths[1:], widths[-1]], [2] * (config.layers - 1) + [1], strict=True
        ):
            blocks.append(
                nn.Sequential(
                    nn.Conv2d(inputs, outputs, 4, stride=stride, padding=2),
                    nn.BatchNorm2d(outputs),
                    nn.LeakyReLU(0.2),
                )
            )
        blocks.append(nn.Conv2d(widths[-1], 1, 4, stride=1, padding=2))
        self.blocks = nn.ModuleList(blocks)

    def forward(self, x_BCHW: Tensor) -> list[Tensor]:
        """Features of every layer, the map of patch scores last."""
        features = []
        for block in self.blocks:
            x_BCHW = block(x_BCHW)
            features.append(x_BCHW)
        return features


class Discriminator(nn.Module):
    """The same patch discriminator at full, half and quarter resolution, with weights of its own each."""

    def __init__(self, config: DiscriminatorConfig) -> None:
        super().__init__()
        self.config = config
        self.scales = nn.ModuleList(PatchDiscriminator(config) for _ in range(config.scales))
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.normal_(module.weight, 0.0, 0.02)

    def forward(self, inputs_BCHW: Tensor, picture_BCHW: Tensor) -> list[list[Tensor]]:
        """Per scale, the features of every layer; D sees all of G's inputs (B, 19 or 6, H, W) beside the picture."""
        x_BCHW = torch.cat([inputs_BCHW, picture_BCHW], dim=1)
        features = []
        for scale in self.scales:
            features.append(scale(x_BCHW))
            x_BCHW = functional.avg_pool2d(x_BCHW, 3, stride=2, padding=1, count_include_pad=False)
        return features
