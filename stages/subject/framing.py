"""Steady, square, face-centred framing of a clip.

Legend: H/W pixels, 3 = RGB.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from stages.errors import SubjectError
from stages.geometry.canonical import CANVAS
from stages.subject.face_tracker import FaceTracker
from stages.video.reading import read_frames

Frame = NDArray[np.uint8]

_FACES_PER_CROP: Final = 2.6
"""Side of the crop in face heights: room for hair above and shoulders below."""

_LOOK_EVERY: Final = 25


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


def find_framing(clip: Path) -> Framing:
    """Look at one frame a second and frame the median face; a square clip of normal framing is kept whole.

    Raises SubjectError when no face is found.
    """
    centres: list[tuple[float, float]] = []
    heights: list[float] = []
    shape = (0, 0)
    with FaceTracker(video=False) as tracker:
        for index, frame_HW3 in enumerate(read_frames(clip)):
            if index % _LOOK_EVERY:
                continue
            shape = frame_HW3.shape[:2]
            track = tracker.track(frame_HW3)
            if track is not None:
                # Points come back as if the picture were CANVAS x CANVAS.
                points_N2 = track.mesh_N3[:, :2] / CANVAS * np.array([shape[1], shape[0]])
                centres.append((float(points_N2[:, 0].mean()), float(points_N2[:, 1].mean())))
                heights.append(float(np.ptp(points_N2[:, 1])))
    if not heights:
        raise SubjectError(
            code="subject.no-face",
            where=str(clip),
            what="no face was found in the clip",
            hint="use a clip with one face, seen from the front and well lit",
        )
    height, width = shape
    x, y = np.median(np.array(centres), axis=0)
    side = int(min(height, width, _FACES_PER_CROP * float(np.median(heights))))
    if height == width and side > 0.85 * width:
        side = width
    left = int(np.clip(round(x - side / 2), 0, width - side))
    top = int(np.clip(round(y - 0.5 * side), 0, height - side))
    return Framing(left=left, top=top, side=side)


def framed_frames(clip: Path, *, framing: Framing, first_frame: int, size: int) -> Iterator[Frame]:
    """Square RGB frames (size, size, 3) of a clip at 25 fps, from `first_frame` on."""
    for frame_HW3 in islice(read_frames(clip), first_frame, None):
        yield framing.apply(frame_HW3, size=size)
