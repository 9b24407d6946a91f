"""Finding the framing of a clip: one look a second, the median face.

Legend: H/W pixels, N points, 3 = RGB.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np

from stages.errors import SubjectError
from stages.geometry.canonical import CANVAS
from stages.subject.face_tracker import FaceTracker
from stages.subject.framing import Framing
from stages.video.reading import read_frames

_FACES_PER_CROP: Final = 2.6
"""Side of the crop in face heights: room for hair above and shoulders below."""

_LOOK_EVERY: Final = 25


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
