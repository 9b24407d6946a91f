"""A network that repairs whose trunk and heads are computed in a form of their own, one frame at a time.

Legend: S side of the picture, 13 = channels that the network reads, 3 = RGB.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import cv2
import numpy as np
import torch

from stages.render.repair_tail import RepairTail
from stages.render.repairing import Picture, Repaired, RepairInput, Trunk


class TrunkRepair:
    """Trunk and heads in one form, and the full-resolution part."""

    batch: Final = 1
    """See `Repairer`."""

    def __init__(self, trunk: Trunk, *, plate_SS3: Picture) -> None:
        self._trunk, self._tail = trunk, RepairTail(plate_SS3)
        self._plate_SS3 = plate_SS3

    def repaired(self, inputs: Sequence[RepairInput]) -> Repaired:
        """See `Repairer`."""
        (one,) = inputs
        with torch.inference_mode():
            told = self._trunk.tell(joined(one, plate_SS3=self._plate_SS3))
            picture_SS3, is_finite = self._tail.picture(told, head_SS3=one.head_SS3, mouth_SS3=one.mouth_SS3)
        return Repaired(frames_TSS3=picture_SS3[None], not_finite=int(not is_finite))


def joined(one: RepairInput, *, plate_SS3: Picture) -> Picture:
    """All that the network reads of one frame, (S, S, 13) uint8, in the order of its channels."""
    parts = (one.condition_SS3, one.head_SS3, one.mouth_SS3, plate_SS3, one.mask_SS)
    return np.asarray(cv2.merge(parts), dtype=np.uint8)
