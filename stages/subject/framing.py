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

from stages.video.decoding import read_decoded
from stages.video.square import SquareReader

Frame = NDArray[np.uint8]


@dataclass(frozen=True, slots=True, kw_only=True)
class Framing:
    """A fixed square of the source picture, in source px."""

    left: int
    top: int
    side: int

    def reader(self) -> SquareReader:
        """Cuts the square from the frames of one clip."""
        return SquareReader(left=self.left, top=self.top, side=self.side)


def framed_frames(clip: Path, *, framing: Framing, first_frame: int, size: int) -> Iterator[Frame]:
    """Square RGB frames (size, size, 3) of a clip at 25 fps, from `first_frame` on."""
    reader = framing.reader()
    for frame in islice(read_decoded(clip), first_frame, None):
        yield resized(reader.read(frame), size)


def resized(square_HW3: Frame, size: int) -> Frame:
    """A square picture as (size, size, 3)."""
    side = square_HW3.shape[0]
    if side == size:
        return square_HW3
    method = cv2.INTER_AREA if side > size else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(square_HW3, (size, size), interpolation=method), dtype=np.uint8)
