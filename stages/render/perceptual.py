"""Perceptual distance on ImageNet features (MODA eq. 19, L_perc).

VGG19 needs weights that no package carries; EfficientNet-Lite0 stands in (plain convolutions and ReLU6), read
from an installed package by hash. Legend: B batch, C channels, H/W pixels.
"""

from __future__ import annotations

import io

import torch
from torch import Tensor, nn

from stages.assets import EFFICIENTNET_LITE0
from stages.errors import WeightsError

_TAPS = (0, 2, 4, 10)
_MEAN, _SCALE = 127.0 / 255.0, 128.0 / 255.0


class PerceptualDistance(nn.Module):
    """Mean over taps of the mean absolute difference of features, each tap scaled to unit spread."""

    def __init__(self) -> None:
        """Raises WeightsError when the feature network is not installed."""
        super().__init__()
        try:
            from efficientnet_lite_pytorch import EfficientNet
        except ImportError as error:
            raise WeightsError(
                code="weights_asset_missing",
                where=EFFICIENTNET_LITE0.name,
                what="the network's code is not installed",
                hint="pip install --no-deps efficientnet-lite-pytorch==0.1.0",
            ) from error
        network = EfficientNet.from_name("efficientnet-lite0")
        state = torch.load(io.BytesIO(EFFICIENTNET_LITE0.read()), map_location="cpu", weights_only=True)
        network.load_state_dict(state)
        self.network = network.eval().requires_grad_(False)

    def train(self, mode: bool = True) -> PerceptualDistance:
        """Stays in inference mode: its statistics are ImageNet's."""
        return super().train(False)

    def _features(self, picture_BCHW: Tensor) -> list[Tensor]:
        net = self.network
        x_BCHW = ((picture_BCHW + 1.0) / 2.0 - _MEAN) / _SCALE
        x_BCHW = net._swish(net._bn0(net._conv_stem(x_BCHW)))
        taps = [x_BCHW]
        for index, block in enumerate(net._blocks[: _TAPS[-1] + 1]):
            x_BCHW = block(x_BCHW)
            if index in _TAPS:
                taps.append(x_BCHW)
        return taps

    def forward(self, picture_BCHW: Tensor, truth_BCHW: Tensor) -> Tensor:
        """Scalar distance of two batches of pictures (B, 3, H, W) in [-1, 1]."""
        return self.distances(picture_BCHW, truth_BCHW, style=False)[0]

    def distances(
        self, picture_BCHW: Tensor, truth_BCHW: Tensor, *, style: bool
    ) -> tuple[Tensor, Tensor | None]:
        """Two scalars from one pass: the distance of the features, and that of their Gram matrices if asked for."""
        with torch.no_grad():
            truth = self._features(truth_BCHW)
        ours = self._features(picture_BCHW)
        spreads = [features.std().clamp_min(1e-6) for features in truth]
        content = torch.stack(
            [(o - t).abs().mean() / spread for o, t, spread in zip(ours, truth, spreads, strict=True)]
        ).mean()
        if not style:
            return content, None
        grams = [
            ((_gram(o / spread) - _gram(t / spread)) ** 2).mean()
            for o, t, spread in zip(ours, truth, spreads, strict=True)
        ]
        return content, torch.stack(grams).mean()


def _gram(features_BCHW: Tensor) -> Tensor:
    """(B, C, C) inner products of the channels, per pixel."""
    flat_BCN = features_BCHW.flatten(2)
    return flat_BCN @ flat_BCN.transpose(1, 2) / flat_BCN.shape[-1]
