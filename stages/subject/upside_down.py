"""Which way up a face is.

Legend: H, W pixels; N points; 2 = (x, y); 3 = R, G, B.

The points alone do not tell: on a face that stands on its head the tracker finds an upright one. But when the picture
is turned a little, the points of a face that is really there turn with it, within a degree; those of the other do not.
"""

from __future__ import annotations

import math
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from stages.geometry.landmarks import LEFT_EYE, RIGHT_EYE
from stages.subject.face_tracker import FaceTracker

Floats = NDArray[np.float32]
Frame = NDArray[np.uint8]

_TURN: Final = 30
"""Degrees by which the picture is turned, each way."""
_FIRM: Final = 3.0
"""Degrees by which both turns together may miss: of faces seen the right way up they mostly miss by less than 1."""
_SURE: Final = 1.0
"""A face on its head misses by more than this, and mostly by far more: up to here no other way up is tried."""
_CROP: Final = 256
_SIDES: Final = 1.3
"""Half a side of the square that is turned, in sizes of the face."""


def lean_degrees(tracker: FaceTracker, frame_HW3: Frame, points_N2: Floats | None) -> float | None:
    """By how much a face leans clockwise, in (-180, 180]; None where no turn of the picture shows one firmly.

    Args:
        tracker: Finds faces in single pictures.
        frame_HW3: The picture.
        points_N2: The face found in it, in px; None where there was none.
    """
    square_HW3 = _square(frame_HW3, points_N2)
    least, lean = _FIRM, None
    for quarters in (0, 2, 1, 3):
        found = _roll_and_miss(tracker, np.ascontiguousarray(np.rot90(square_HW3, quarters)))
        if found is not None and found[1] <= least:
            roll, least = found
            lean = 180 - (180 - roll - 90 * quarters) % 360
        if least <= _SURE:
            break
    return lean


def _square(frame_HW3: Frame, points_N2: Floats | None) -> Frame:
    """The face with what is around it, or the whole picture."""
    height, width = frame_HW3.shape[:2]
    centre_2, half = np.array([width / 2, height / 2]), max(width, height) / 2
    if points_N2 is not None:
        centre_2 = (points_N2.min(axis=0) + points_N2.max(axis=0)) / 2
        half = _SIDES * float(np.ptp(points_N2, axis=0).max())
    scale = _CROP / 2 / half
    placed_23 = np.array(
        [[scale, 0, _CROP / 2 - scale * centre_2[0]], [0, scale, _CROP / 2 - scale * centre_2[1]]]
    )
    return _warped(frame_HW3, placed_23)


def _roll_and_miss(tracker: FaceTracker, square_HW3: Frame) -> tuple[float, float] | None:
    """The roll of the face, and by how many degrees it does not turn with the picture, both ways together."""
    straight = _roll(tracker, square_HW3)
    if straight is None:
        return None
    missed = 0.0
    for turn in (_TURN, -_TURN):
        matrix_23 = cv2.getRotationMatrix2D((_CROP / 2, _CROP / 2), -turn, 1.0)
        found = _roll(tracker, _warped(square_HW3, np.asarray(matrix_23, dtype=np.float64)))
        if found is None:
            return None
        missed += abs((found - straight - turn + 180) % 360 - 180)
    return straight, missed


def _roll(tracker: FaceTracker, square_HW3: Frame) -> float | None:
    """The angle, clockwise in the picture, from the horizontal to the line between the eyes."""
    track = tracker.track(square_HW3)
    if track is None:
        return None
    across_3 = track.mesh_N3[LEFT_EYE].mean(axis=0) - track.mesh_N3[RIGHT_EYE].mean(axis=0)
    return math.degrees(math.atan2(float(across_3[1]), float(across_3[0])))


def _warped(picture_HW3: Frame, matrix_23: NDArray[np.float64]) -> Frame:
    warped = cv2.warpAffine(
        picture_HW3, matrix_23, (_CROP, _CROP), flags=cv2.INTER_AREA, borderMode=cv2.BORDER_REPLICATE
    )
    return np.asarray(warped, dtype=np.uint8)
