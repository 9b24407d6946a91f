"""MA: how well the area of the mouth agrees (MODA section 10).

Legend: T frames, N points, 2 = (x, y), 3 = (x, y, z), H/W pixels.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from skimage.draw import polygon2mask

Points = NDArray[np.floating]


def mouth_area_overlap(ours_TN3: Points, truth_TN3: Points, *, ring: NDArray[np.int64]) -> float:
    """Mean over frames of the intersection over union of two mouths; 1 where both are shut.

    Args:
        ours_TN3: whole meshes (T, 478, 3), px, canonical space.
        truth_TN3: the same of the reference.
        ring: vertices around the area in polygon order: the inner lips (the opening), or the outer.
    """
    overlaps = [
        _overlap(ours_N3[ring, :2], truth_N3[ring, :2])
        for ours_N3, truth_N3 in zip(ours_TN3, truth_TN3, strict=True)
    ]
    return float(np.mean(overlaps))


def _overlap(a_N2: Points, b_N2: Points) -> float:
    both_N2 = np.concatenate([a_N2, b_N2])
    corner_2 = np.floor(both_N2.min(axis=0))
    shape = tuple((np.ceil(both_N2.max(axis=0)) - corner_2 + 1).astype(int)[::-1])
    a_HW, b_HW = (_mask(ring_N2 - corner_2, shape) for ring_N2 in (a_N2, b_N2))
    union = int((a_HW | b_HW).sum())
    return 1.0 if union == 0 else int((a_HW & b_HW).sum()) / union


def _mask(ring_N2: Points, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Pixels whose centre lies inside; none where the lips have passed each other and the ring runs backwards."""
    x_N, y_N = ring_N2[:, 0], ring_N2[:, 1]
    # Twice the enclosed area: below zero for the rings of `stages.geometry.landmarks` on a face that is upright.
    doubled_area = float(np.dot(x_N, np.roll(y_N, -1)) - np.dot(y_N, np.roll(x_N, -1)))
    if doubled_area >= 0:
        return np.zeros(shape, dtype=np.bool_)
    return np.asarray(polygon2mask(shape, ring_N2[:, ::-1]), dtype=np.bool_)
