"""Trunk and heads of the network that repairs in bfloat16: the form `bf16`.

Legend: B batch (1), C channels, S side of the picture, H/W pixels at any resolution.
"""

from __future__ import annotations

import copy

import torch
from torch.nn import functional

from stages.render.generator import channels_last
from stages.render.repair_network import CELL, RepairNetwork
from stages.render.repairing import Picture, Told


class Bf16Trunk:
    """See the module; on the CPU."""

    def __init__(self, network: RepairNetwork) -> None:
        """`network` stays as it is."""
        narrow = copy.deepcopy(network).eval().requires_grad_(False).to(torch.bfloat16)
        self._network = channels_last(narrow)

    def tell(self, pictures_SSC: Picture) -> Told:
        """See `Trunk`."""
        levels_BCSS = torch.from_numpy(pictures_SSC)[None].permute(0, 3, 1, 2).to(torch.float32)
        told_B28HW, flow_B4HW = self._network.tell(levels_BCSS.div_(127.5).sub_(1.0).to(torch.bfloat16))
        return Told(
            residual_logits_gain_7SS=functional.pixel_shuffle(told_B28HW, CELL)[0].float(),
            flow_HW4=flow_B4HW[0].permute(1, 2, 0).float().contiguous().numpy(),
        )
