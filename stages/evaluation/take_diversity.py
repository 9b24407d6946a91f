"""Diverse: how far takes of one speech are apart (MODA section 10).

Legend: S takes, T frames, K frames that count, N points, 3 = (x, y, z), 7 = head vector.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from stages.evaluation.watch import Watched
from stages.geometry.canonical import CANVAS, pose
from stages.geometry.landmarks import EYES, LIPS
from stages.metrics.diversity import diversity

Floats = NDArray[np.float32]

_BLOCK: Final = 250


@dataclass(frozen=True, slots=True, kw_only=True)
class TakeDiversity:
    """Variance over takes in px^2, mean over points, x and y, and the frames in which every take shows a face.

    Attributes:
        face: of all points in the picture, as the paper reports it.
        lips, eyes: in canonical space, without the motion of the head.
        head: of the mean face in the picture, moved by each take's head alone.
    """

    face: float
    lips: float
    eyes: float
    head: float


def diversity_of(takes: Sequence[Watched]) -> TakeDiversity | None:
    """Measure two takes or more of equal length; None where they never show a face at once.

    Unit: px of a canvas on which the first take's crop is 512 px wide.
    """
    (frames_K,) = np.nonzero(np.all([take.found_T for take in takes], axis=0))
    if not len(frames_K):
        return None
    mean_N3 = np.mean([take.canonical_TN3[frames_K].mean(axis=0) for take in takes], axis=0, dtype=np.float64)
    rows, weights = [], []
    for start in range(0, len(frames_K), _BLOCK):
        block = frames_K[start : start + _BLOCK]
        canonical_STN3 = np.stack([take.canonical_TN3[block] for take in takes])
        still_TN3 = np.broadcast_to(mean_N3, canonical_STN3.shape[1:])
        rows.append(
            (
                diversity(_in_picture(takes, canonical_STN3, block)),
                diversity(canonical_STN3[:, :, LIPS]),
                diversity(canonical_STN3[:, :, EYES]),
                diversity(_in_picture(takes, [still_TN3] * len(takes), block)),
            )
        )
        weights.append(len(block))
    face, lips, eyes, head = (float(value) for value in np.average(rows, axis=0, weights=weights))
    return TakeDiversity(face=face, lips=lips, eyes=eyes, head=head)


def _in_picture(
    takes: Sequence[Watched], canonical_STN3: Sequence[NDArray[np.floating]] | Floats, block: NDArray[np.intp]
) -> Floats:
    """Posed meshes (S, T, 478, 3) of the takes on one canvas."""
    first = takes[0].look
    posed = []
    for take, canonical_TN3 in zip(takes, canonical_STN3, strict=True):
        # Takes are cropped each around its own face, and may differ in size.
        scale = CANVAS / first.framing.side * first.facts.height / take.look.facts.height
        posed.append(take.look.in_picture(pose(canonical_TN3, take.head_T7[block])) * np.float32(scale))
    return np.stack(posed)
