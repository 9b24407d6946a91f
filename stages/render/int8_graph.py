"""The trunk and the heads of the network that repairs as an OpenVINO graph in 8 bits.

Weights are rounded per output channel; what a convolution reads is rounded to 256 levels of a range that calibration
found (`stages.render.int8_ranges`). What adds up between blocks, and everything after the heads, keeps its digits.
Legend: B batch (1), C channels, S side of the picture, H/W pixels at any resolution, 28 = what the head tells of a cell
of 2 x 2 pixels.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from openvino import Model, Type
from openvino import opset13 as ops
from torch import Tensor, nn

from stages.render.repair_network import FLOW_STEP, RepairNetwork, ScaledBlock

Node = Any
"""A node of an OpenVINO graph; its classes have no types."""

_LEVELS: Final = 256
_WEIGHT_LEVELS: Final = 255
"""Weights are symmetric: -127 to 127."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Builder:
    """Builds one graph.

    Attributes:
        names: the name of each convolution of the network.
        ranges: the least and most that each convolution reads.
    """

    names: Mapping[nn.Module, str]
    ranges: Mapping[str, tuple[float, float]]

    def convolved(self, x_BCHW: Node, convolution: nn.Module, *, scale_C: Tensor | None = None) -> Node:
        """A convolution of what has been rounded; `scale_C` multiplies its output channels."""
        assert isinstance(convolution, nn.Conv2d)
        low, high = self.ranges[self.names[convolution]]
        read_BCHW = ops.fake_quantize(x_BCHW, *(_scalar(edge) for edge in (low, high, low, high)), _LEVELS)
        bias = convolution.bias
        assert bias is not None
        weight_OCHW, bias_O = convolution.weight.float(), bias.float()
        if scale_C is not None:
            weight_OCHW, bias_O = weight_OCHW * scale_C.view(-1, 1, 1, 1), bias_O * scale_C.flatten()
        padding, stride = list(_pair(convolution.padding)), list(_pair(convolution.stride))
        made_BOHW = ops.convolution(
            read_BCHW, _rounded_weights(weight_OCHW), stride, padding, padding, [1, 1]
        )
        return ops.add(made_BOHW, ops.constant(bias_O.view(1, -1, 1, 1).numpy()))

    def block(self, x_BCHW: Node, block: nn.Module) -> Node:
        """`ScaledBlock.forward`."""
        assert isinstance(block, ScaledBlock)
        once_BCHW = self.convolved(ops.relu(x_BCHW), block.first)
        twice_BCHW = self.convolved(ops.relu(once_BCHW), block.second, scale_C=block.scale)
        return ops.add(x_BCHW, twice_BCHW)


def int8_graph(network: RepairNetwork, ranges: Mapping[str, tuple[float, float]], *, size: int) -> Model:
    """The graph, from pictures (1, S, S, 13) uint8 in the order of `RepairNetwork.forward`.

    It gives residual, logits of the candidates and gain of each cell, (1, S / 2, S / 2, 28), and the flow
    (1, S / 4, S / 4, 4) in px / `FLOW_PX`.

    Args:
        network: what is computed.
        ranges: the least and most that each convolution reads, by its name in the network.
        size: side of the pictures in px.
    """
    builder = _Builder(names={module: name for name, module in network.named_modules()}, ranges=ranges)
    stem = network.stem
    pictures_BSSC = ops.parameter([1, size, size, stem.in_channels], Type.u8)
    levels_BSSC = ops.convert(pictures_BSSC, Type.f32)
    scaled_BSSC = ops.subtract(ops.multiply(levels_BSSC, _scalar(1 / 127.5)), _scalar(1.0))
    x_BCHW = builder.convolved(ops.transpose(scaled_BSSC, [0, 3, 1, 2]), stem)
    skips = [x_BCHW]
    for down, encode in zip(network.down, network.encode, strict=True):
        x_BCHW = builder.convolved(ops.relu(x_BCHW), down)
        for block in encode.children():
            x_BCHW = builder.block(x_BCHW, block)
        skips.append(x_BCHW)
    skips.pop()
    flow_BHW4 = None
    for step, (up, decode) in enumerate(zip(network.up, network.decode, strict=True)):
        wider_BCHW = _doubled(builder.convolved(ops.relu(x_BCHW), up))
        x_BCHW = builder.block(ops.add(wider_BCHW, skips.pop()), decode)
        if step == FLOW_STEP:
            flow_B4HW = ops.tanh(builder.convolved(ops.relu(x_BCHW), network.flow_head))
            flow_BHW4 = ops.transpose(flow_B4HW, [0, 2, 3, 1])
    told_B28HW = builder.convolved(ops.relu(x_BCHW), network.head)
    # As it lies in memory: bringing it into planes here would copy it twice.
    told_BHW28 = ops.transpose(told_B28HW, [0, 2, 3, 1])
    return Model([told_BHW28, flow_BHW4], [pictures_BSSC], "repair")


def _rounded_weights(weight_OCHW: Tensor) -> Node:
    most_O111 = weight_OCHW.abs().amax(dim=(1, 2, 3), keepdim=True).clamp(min=1e-12).numpy()
    edges = (ops.constant(sign * most_O111) for sign in (-1, 1, -1, 1))
    return ops.fake_quantize(ops.constant(weight_OCHW.contiguous().numpy()), *edges, _WEIGHT_LEVELS)


def _doubled(x_BCHW: Node) -> Node:
    return ops.interpolate(
        x_BCHW,
        np.array([2.0, 2.0], dtype=np.float32),
        "nearest",
        "scales",
        axes=[2, 3],
        coordinate_transformation_mode="asymmetric",
        nearest_mode="floor",
    )


def _scalar(value: float) -> Node:
    return ops.constant(np.float32(value))


def _pair(sizes: Any) -> tuple[int, int]:
    assert isinstance(sizes, tuple)
    height, width = sizes
    return height, width
