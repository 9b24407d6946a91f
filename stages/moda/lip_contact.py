"""Lips that meet rest on each other: where a prediction has the lower lip above the upper one, they touch in between.

A gap that is not negative stays so in the mean of windows and of neighbouring frames, so once is enough, before both.

Legend: T frames, N lip points, P pairs of an upper and a lower one.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from stages.geometry.landmarks import INNER_LIP_RING, LIPS

Floats = NDArray[np.float32]

_LOWER_P: Final = np.searchsorted(LIPS, INNER_LIP_RING[1:10])
_UPPER_P: Final = np.searchsorted(LIPS, INNER_LIP_RING[:10:-1])
"""Inner lips from corner to corner, without the corners: places among the lips."""


def resting_on_each_other(mouth_TN3: Floats, *, template_N3: Floats) -> Floats:
    """Displacements (T, 40, 3) of the lips of which none are across each other.

    Args:
        mouth_TN3: displacements in canonical px, y downwards.
        template_N3: the mesh (478, 3) that they start from.
    """
    heights_N = template_N3[LIPS, 1]
    upper_TP = heights_N[_UPPER_P] + mouth_TN3[:, _UPPER_P, 1]
    lower_TP = heights_N[_LOWER_P] + mouth_TN3[:, _LOWER_P, 1]
    across_TP = np.maximum(upper_TP - lower_TP, 0)
    touching_TN3 = mouth_TN3.copy()
    touching_TN3[:, _UPPER_P, 1] -= across_TP / 2
    touching_TN3[:, _LOWER_P, 1] += across_TP / 2
    return touching_TN3
