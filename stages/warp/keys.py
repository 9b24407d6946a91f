"""Heads, mouths and pairs of eyes as numbers that tell how well one picture serves for another.

Legend: T frames, R references, N mesh points (478), K numbers of a key, 2/3 = (x, y[, z]), 7 = head vector.
Squared distances of keys of mouths and eyes are square px of the canonical face, summed over points.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from stages.geometry.landmarks import INNER_LIP_RING, INNER_LIP_TOP_BOTTOM, OUTER_LIP_RING
from stages.warp.control_mesh import LEFT_EYE_RING, LEFT_IRIS, RIGHT_EYE_RING, RIGHT_IRIS

Floats = NDArray[np.float32]

_OUTER_WEIGHT: Final = 0.5
_LIDS_WEIGHT: Final = 2.0
_MOUTH_DEGREE_PX: Final = 2.0
_EYE_DEGREE_PX: Final = 1.0
"""How many px of a point a degree of yaw or pitch weighs: another view of teeth, another light in the eye."""

HEAD_KEY_SIZE: Final = 3

_EYE_CORNERS: Final = (0, 8)
"""Places of an eye's corners in its ring."""

MOUTH_KEY_SIZE: Final = 2 * (len(INNER_LIP_RING) + len(OUTER_LIP_RING) + 1)
EYES_KEY_SIZE: Final = 2 * (len(RIGHT_EYE_RING) + len(LEFT_EYE_RING) + len(RIGHT_IRIS) + len(LEFT_IRIS) + 1)

_INNER: Final = 2 * len(INNER_LIP_RING)
_TOP_AND_BOTTOM: Final = [int(np.flatnonzero(point == INNER_LIP_RING)[0]) for point in INNER_LIP_TOP_BOTTOM]


def head_keys(head_T7: Floats) -> Floats:
    """Keys (T, 3) of how heads are turned: yaw, pitch and roll in degrees."""
    return head_T7[:, :HEAD_KEY_SIZE].astype(np.float32)


def mouth_keys(canonical_TN3: Floats, head_T7: Floats) -> Floats:
    """Keys (T, 82) of mouths: the rings of the lips about their middle, yaw and pitch."""
    inner_TI2, outer_TO2 = (canonical_TN3[:, ring, :2] for ring in (INNER_LIP_RING, OUTER_LIP_RING))
    middle_T12 = outer_TO2.mean(axis=1, keepdims=True)
    parts = (inner_TI2 - middle_T12, _OUTER_WEIGHT * (outer_TO2 - middle_T12))
    return _joined(*parts, _MOUTH_DEGREE_PX * head_T7[:, None, :2])


def eye_keys(canonical_TN3: Floats, head_T7: Floats) -> Floats:
    """Keys (T, 86) of pairs of eyes: lids and irises about the eyes' middles, yaw and pitch."""
    parts = []
    for ring, iris in ((RIGHT_EYE_RING, RIGHT_IRIS), (LEFT_EYE_RING, LEFT_IRIS)):
        lids_TL2 = canonical_TN3[:, ring, :2]
        middle_T12 = lids_TL2[:, _EYE_CORNERS].mean(axis=1, keepdims=True)
        parts += [_LIDS_WEIGHT * (lids_TL2 - middle_T12), canonical_TN3[:, iris, :2] - middle_T12]
    return _joined(*parts, _EYE_DEGREE_PX * head_T7[:, None, :2])


def _joined(*parts_TP2: Floats) -> Floats:
    return np.concatenate([part.reshape(len(part), -1) for part in parts_TP2], axis=1).astype(np.float32)


def openings(mouth_TK: Floats) -> Floats:
    """How far mouths are open (T,), px of the canonical face, from their keys."""
    inner_TI2 = mouth_TK[:, :_INNER].reshape(len(mouth_TK), len(INNER_LIP_RING), 2)
    top_T2, bottom_T2 = (inner_TI2[:, place] for place in _TOP_AND_BOTTOM)
    return np.sqrt(((top_T2 - bottom_T2) ** 2).sum(axis=1))


def farthest_points(key_TK: Floats, *, count: int, first: int) -> list[int]:
    """Rows that stand for all rows: `first`, then again and again the row farthest from those taken.

    Fewer than `count` where rows repeat those taken.
    """
    taken = [first]
    apart_T = ((key_TK - key_TK[first]) ** 2).sum(axis=1)
    while len(taken) < count:
        farthest = int(apart_T.argmax())
        if apart_T[farthest] <= 0:
            break
        taken.append(farthest)
        apart_T = np.minimum(apart_T, ((key_TK - key_TK[farthest]) ** 2).sum(axis=1))
    return taken
