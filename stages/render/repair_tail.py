"""From what trunk and heads tell to the picture: candidates moved, blended and sharpened, at the full resolution.

The same as the end of `RepairNetwork.forward`, but for last digits, in a third of its time: pictures come and go as
bytes, and planes are changed where they lie.
Legend: S side of the picture, H/W a quarter of it, 3 = RGB, 4 = x and y of both candidates.
"""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from stages.render.repair_network import BINOMIAL, FLOW_PX
from stages.render.repairing import Picture, Told

Floats = NDArray[np.float32]

_LEVELS: Final = 127.5
"""Of a byte in the unit of the network's pictures."""


class RepairTail:
    """The full-resolution part of a network, with the subject's plate."""

    def __init__(self, plate_SS3: Picture) -> None:
        side = len(plate_SS3)
        self._plate_3SS = _planes(plate_SS3)
        self._y_SS, self._x_SS = np.indices((side, side), dtype=np.float32)
        # On a picture of another size the same share of it.
        self._flow_px = FLOW_PX * side / 512

    def picture(self, told: Told, *, head_SS3: Picture, mouth_SS3: Picture) -> tuple[Picture, bool]:
        """The picture (S, S, 3) uint8, and whether all that became pixels was finite."""
        flow_HW4, is_finite = told.flow_HW4, bool(np.isfinite(told.flow_HW4).all())
        if not is_finite:
            flow_HW4 = np.nan_to_num(flow_HW4)
        told_7SS = told.residual_logits_gain_7SS
        share_3SS = torch.softmax(told_7SS[3:6], dim=0)
        head_3SS, mouth_3SS = self._moved(flow_HW4, head_SS3, mouth_SS3)
        blend_3SS = head_3SS.mul_(share_3SS[0])
        blend_3SS.addcmul_(mouth_3SS, share_3SS[1]).addcmul_(self._plate_3SS, share_3SS[2])
        detail_3SS = blend_3SS - _blurred(blend_3SS)
        blend_3SS.addcmul_(detail_3SS, told_7SS[6]).add_(told_7SS[:3], alpha=_LEVELS)
        # One number that is none makes the sum none.
        is_finite = is_finite and bool(torch.isfinite(blend_3SS.sum()))
        levels_3SS = blend_3SS.round_().clamp_(0, 255).to(torch.uint8).numpy()
        return np.asarray(cv2.merge(list(levels_3SS)), dtype=np.uint8), is_finite

    def _moved(self, flow_HW4: Floats, *pictures: Picture) -> list[Tensor]:
        """Both candidates (3, S, S) in levels, each moved by its part of the flow."""
        side = len(self._x_SS)
        planes = cv2.split(cv2.resize(flow_HW4, (side, side), interpolation=cv2.INTER_LINEAR))
        moved = []
        for index, picture_SS3 in enumerate(pictures):
            x_SS = cv2.scaleAdd(planes[2 * index], self._flow_px, self._x_SS)
            y_SS = cv2.scaleAdd(planes[2 * index + 1], self._flow_px, self._y_SS)
            moved_SS3 = cv2.remap(
                picture_SS3.astype(np.float32), x_SS, y_SS, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
            )
            moved.append(_planes(np.asarray(moved_SS3, dtype=np.float32)))
        return moved


def _blurred(picture_3SS: Tensor) -> Tensor:
    line_5 = np.array(BINOMIAL, dtype=np.float32) / np.float32(sum(BINOMIAL))
    blurred = [
        cv2.sepFilter2D(plane_SS, -1, line_5, line_5, borderType=cv2.BORDER_REPLICATE)
        for plane_SS in picture_3SS.numpy()
    ]
    return torch.from_numpy(np.stack(blurred))


def _planes(picture_SS3: Picture | Floats) -> Tensor:
    return torch.from_numpy(np.stack(cv2.split(picture_SS3)).astype(np.float32, copy=False))
