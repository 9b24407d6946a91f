"""The network that repairs as it was trained: the form `exact`.

Legend: B pictures repaired at once, T frames, C channels, S side of the picture, 3 = RGB.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import torch
from torch import Tensor

from stages.render.generator import channels_last
from stages.render.repair_network import RepairNetwork
from stages.render.repairing import Picture, Repaired, RepairInput

_BATCH: Final = {"cpu": 1, "cuda": 10}
"""Frames repaired at once, fixed per kind of device; a last, short batch is padded to the same size."""


class ExactRepair:
    """Single precision on a CPU; GPUs compute it in bfloat16 where that is safe."""

    def __init__(self, network: RepairNetwork, *, plate_SS3: Picture, device: torch.device) -> None:
        self.batch = _BATCH[device.type]
        """See `Repairer`."""
        self._device = device
        self._network: torch.nn.Module = channels_last(network.eval().requires_grad_(False).to(device))
        self._plate_BCSS = self._pictures(plate_SS3[None]).expand(self.batch, -1, -1, -1)

    def repaired(self, inputs: Sequence[RepairInput]) -> Repaired:
        """See `Repairer`."""
        filled = [*inputs, *[inputs[-1]] * (self.batch - len(inputs))]
        stacks = (
            np.stack([each.condition_SS3 for each in filled]),
            np.stack([each.head_SS3 for each in filled]),
            np.stack([each.mouth_SS3 for each in filled]),
        )
        mask_BSS1 = np.stack([each.mask_SS[..., None] for each in filled])
        with (
            torch.inference_mode(),
            torch.autocast(self._device.type, torch.bfloat16, enabled=self._device.type == "cuda"),
        ):
            picture_BCSS = self._network(
                *(self._pictures(stack) for stack in stacks), self._plate_BCSS, self._pictures(mask_BSS1)
            ).float()
            is_finite_B = torch.isfinite(picture_BCSS).flatten(1).all(dim=1)
            # In place, since every copy of a picture costs as much as what is computed of it.
            levels_BCSS = picture_BCSS.add_(1.0).mul_(127.5).round_().clamp_(0, 255).to(torch.uint8)
        count = len(inputs)
        return Repaired(
            frames_TSS3=np.ascontiguousarray(levels_BCSS[:count].permute(0, 2, 3, 1).cpu().numpy()),
            not_finite=int((~is_finite_B[:count]).sum()),
        )

    def _pictures(self, frames_BSSC: Picture) -> Tensor:
        pictures_BCSS = torch.from_numpy(frames_BSSC).to(self._device).permute(0, 3, 1, 2)
        return pictures_BCSS.to(torch.float32).div_(127.5).sub_(1.0)
