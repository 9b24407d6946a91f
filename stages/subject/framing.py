"""Steady, square framing of a clip.

Legend: H/W pixels, 3 = RGB.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from stages.geometry.canonical import CANVAS
from stages.video.reading import read_frames

Frame = NDArray[np.uint8]


@dataclass(frozen=True, slots=True, kw_only=True)
class Framing:
    """A fixed square of the source picture, in source px."""

    left: int
    top: int
    side: int

    def apply(self, frame_HW3: Frame, *, size: int = CANVAS) -> Frame:
        """Crop and resize one RGB frame to (size, size, 3)."""
        square_HW3 = frame_HW3[self.top : self.top + self.side, self.left : self.left + self.side]
        if self.side == size:
            return np.ascontiguousarray(square_HW3)
        method = cv2.INTER_AREA if self.side > size else cv2.INTER_CUBIC
        return np.asarray(cv2.resize(square_HW3, (size, size), interpolation=method), dtype=np.uint8)


def framed_frames(clip: Path, *, framing: Framing, first_frame: int, size: int) -> Iterator[Frame]:
    """Square RGB frames (size, size, 3) of a clip at 25 fps, from `first_frame` on."""
    for frame_HW3 in islice(read_frames(clip), first_frame, None):
        yield framing.apply(frame_HW3, size=size)
