"""The face found in a rendered picture against the one commanded.

Legend: N points, K points of a part, 2 = (x, y), 3 = (x, y, z); px on the 512 canvas.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from stages.geometry.landmarks import LIPS, RIGID
from stages.metrics.landmarks import mouth_opening

Points = NDArray[np.floating]

LEAST_RANGE_PX: Final = 6.0
"""Commanded change of the mouth's opening below which its response is noise: the detector errs by 1 to 2 px at each
end of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FaceErrors:
    """One frame.

    Attributes:
        mouth_px: Mean distance of the 40 lip points once the rigid points lie on each other (similarity): what is
            left is the mouth's own error, not the pose's.
        face_px: Mean distance of all 478 points as they lie.
        opening_px: The mouth's opening that was found, once aligned.
        commanded_opening_px: The one that was commanded.
    """

    mouth_px: float
    face_px: float
    opening_px: float
    commanded_opening_px: float


def face_errors(found_N3: Points, commanded_N3: Points) -> FaceErrors:
    """Compare two meshes (478, 3) in image space; depth is left out."""
    aligned_N2 = _onto(found_N3[:, :2], commanded_N3[:, :2])
    return FaceErrors(
        mouth_px=_mean_distance(aligned_N2[LIPS], commanded_N3[LIPS, :2]),
        face_px=_mean_distance(found_N3[:, :2], commanded_N3[:, :2]),
        opening_px=float(mouth_opening(aligned_N2[None])[0]),
        commanded_opening_px=float(mouth_opening(commanded_N3[None])[0]),
    )


def opening_response(errors: list[FaceErrors]) -> float | None:
    """Found over commanded change of the opening between the extremes commanded; None below `LEAST_RANGE_PX`."""
    if not errors:
        return None
    widest = max(errors, key=lambda error: error.commanded_opening_px)
    closed = min(errors, key=lambda error: error.commanded_opening_px)
    commanded = widest.commanded_opening_px - closed.commanded_opening_px
    if commanded < LEAST_RANGE_PX:
        return None
    return (widest.opening_px - closed.opening_px) / commanded


def _onto(found_N2: Points, commanded_N2: Points) -> NDArray[np.float64]:
    """All points moved by the similarity that brings the rigid ones closest (least squares)."""
    # Points as complex numbers: a rotation with a scale is then one factor.
    found_N, commanded_N = (points[:, 0] + 1j * points[:, 1] for points in (found_N2, commanded_N2))
    source_K, target_K = found_N[RIGID], commanded_N[RIGID]
    centred_K = source_K - source_K.mean()
    spread = float(np.vdot(centred_K, centred_K).real)
    turn = np.vdot(centred_K, target_K - target_K.mean()) / max(spread, 1e-9)
    moved_N = turn * (found_N - source_K.mean()) + target_K.mean()
    return np.stack([moved_N.real, moved_N.imag], axis=-1).astype(np.float64)


def _mean_distance(a_K2: Points, b_K2: Points) -> float:
    return float(np.linalg.norm(a_K2 - b_K2, axis=-1).mean())
