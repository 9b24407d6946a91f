"""The face as SyncNet sees it: a square of 224 pixels around the lower face, BGR, 0 to 255.

Legend: T frames, N points, H/W pixels, 2 = (x, y), 3 = channels or (x, y, z).

SyncNet's own pipeline takes the box of a face detector (S3FD). Here it is the box around the face mesh, which is a
little lower at the forehead: scores of the two crops should not be mixed in one table.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.signal import medfilt

CROP: Final = 224
_MARGIN: Final = 0.4
_SMOOTHED_FRAMES: Final = 13
_GREY: Final = 110


def face_boxes(mesh_TN3: NDArray[np.floating]) -> NDArray[np.float64]:
    """Centre x, y and half side (T, 3) in px of the squares around meshes in image space, steadied by a median."""
    low_T2, high_T2 = mesh_TN3[..., :2].min(axis=1), mesh_TN3[..., :2].max(axis=1)
    centre_T2 = (low_T2 + high_T2) / 2
    half_T = (high_T2 - low_T2).max(axis=1) / 2
    boxes_T3 = np.concatenate([centre_T2, half_T[:, None]], axis=1).astype(np.float64)
    # A median filter pads with zeros: the ends are repeated first.
    around = _SMOOTHED_FRAMES // 2
    padded_T3 = np.pad(boxes_T3, ((around, around), (0, 0)), mode="edge")
    columns = [medfilt(padded_T3[:, column], _SMOOTHED_FRAMES)[around:-around] for column in range(3)]
    return np.stack(columns, axis=1)


def face_crops(
    frames_THW3: Iterable[NDArray[np.uint8]], mesh_TN3: NDArray[np.floating]
) -> Iterator[NDArray[np.uint8]]:
    """Squares (224, 224, 3) BGR of RGB frames, whose meshes (T, 478, 3) are in px of these frames.

    The square reaches from the top of the face to 40 % of its half side below the chin, and as far to both sides.
    """
    for frame_HW3, (x, y, half) in zip(frames_THW3, face_boxes(mesh_TN3), strict=False):
        margin = _MARGIN * half
        around = int(half + 2 * margin)
        padded_HW3 = cv2.copyMakeBorder(
            frame_HW3, around, around, around, around, cv2.BORDER_CONSTANT, value=(_GREY, _GREY, _GREY)
        )
        top, bottom, left, right = (
            int(edge) + around
            for edge in (y - half, y + half + 2 * margin, x - half - margin, x + half + margin)
        )
        square_HW3 = cv2.cvtColor(padded_HW3[top:bottom, left:right], cv2.COLOR_RGB2BGR)
        yield np.asarray(cv2.resize(square_HW3, (CROP, CROP)), dtype=np.uint8)
