"""Which of the 478 face mesh vertices belong to which part (MODA section 3, MediaPipe numbering).

The order of `LIPS` and `EYES` is the order of the network vectors: ascending inside each group.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

Indices = NDArray[np.int64]

MESH_SIZE: Final = 478
TORSO_SIZE: Final = 18
CHIN: Final = 152


def _indices(*groups: tuple[int, ...]) -> Indices:
    return np.array([vertex for group in groups for vertex in group], dtype=np.int64)


_LEFT_IRIS = (474, 475, 476, 477)
_LEFT_EYE = (249, 263, 362, 373, 374, 380, 381, 382, 384, 385, 386, 387, 388, 390, 398, 466)
_LEFT_BROW = (276, 282, 283, 285, 293, 295, 296, 300, 334, 336)
_RIGHT_IRIS = (469, 470, 471, 472)
_RIGHT_EYE = (7, 33, 133, 144, 145, 153, 154, 155, 157, 158, 159, 160, 161, 163, 173, 246)
_RIGHT_BROW = (46, 52, 53, 55, 63, 65, 66, 70, 105, 107)

OUTER_LIP_RING: Final = _indices(
    (61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291, 409, 270, 269, 267, 0, 37, 39, 40, 185)
)
"""Outer lip border, 20 vertices in polygon order."""

INNER_LIP_RING: Final = _indices(
    (78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308, 415, 310, 311, 312, 13, 82, 81, 80, 191)
)
"""Inner lip border (the mouth opening), 20 vertices in polygon order."""

LIPS: Final = np.sort(np.concatenate([OUTER_LIP_RING, INNER_LIP_RING]))
"""All 40 lip vertices, ascending."""

EYES: Final = _indices(_LEFT_IRIS, _LEFT_EYE, _LEFT_BROW, _RIGHT_IRIS, _RIGHT_EYE, _RIGHT_BROW)
"""The 60 vertices of irises, eye rings and brows, left before right."""

LEFT_EYE: Final = _indices(_LEFT_EYE)
RIGHT_EYE: Final = _indices(_RIGHT_EYE)

POSE_ANCHOR: Final = _indices((50, 280, 168))
"""Two cheeks and the nose bridge: their mean is the head's centre (MODA section 8.4)."""

RIGID: Final = _indices(
    # Forehead, temples, nose and eye corners: bone, which neither speech nor brows move much.
    (10, 109, 338, 67, 297, 103, 332, 151, 9, 8, 168, 6, 197, 195, 5, 4, 1),
    (33, 133, 263, 362, 127, 356, 234, 454, 50, 280, 117, 346),
)
"""Vertices used for the rigid head pose."""

REST: Final = np.setdiff1d(np.arange(MESH_SIZE), np.concatenate([LIPS, EYES]))
"""Every vertex that is neither lip, eye, brow nor iris ring."""

UPPER_LID_LOWER_LID: Final = _indices((386, 374, 159, 145)).reshape(2, 2)
"""Per eye (left, right), the upper and lower lid vertices whose distance is the eye opening."""

INNER_LIP_TOP_BOTTOM: Final = _indices((13, 14))
"""The vertices whose distance is the inner-lip opening."""
