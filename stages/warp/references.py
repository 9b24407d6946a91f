"""Which references a frame is made of, and how much of each: a change from one to another is a fade.

Legend: T frames, R references, N mesh points (478), 3 = (x, y, z), 7 = head vector.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from stages.warp.choice import choose_eyes, choose_heads, choose_mouths
from stages.warp.keys import eye_keys, head_keys, mouth_keys
from stages.warp.library import ReferenceLibrary
from stages.warp.reach import EYES_FADE_FRAMES, HEAD_FADE_FRAMES, MOUTH_FADE_FRAMES

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Mixture:
    """References that lend a frame a part of its picture together.

    Attributes:
        references: which, ascending.
        parts: how many parts each lends, of the sum of all; without a common divisor.
    """

    references: tuple[int, ...]
    parts: tuple[int, ...]

    @classmethod
    def of(cls, parts: Mapping[int, int]) -> Self:
        """So many parts of each reference; equal shares are equal mixtures."""
        whole = math.gcd(*parts.values())
        references = tuple(sorted(parts))
        return cls(references, tuple(parts[reference] // whole for reference in references))

    @classmethod
    def only(cls, reference: int) -> Self:
        """One reference alone."""
        return cls((reference,), (1,))


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameReferences:
    """What lends a frame its head, its mouth and its eyes."""

    head: Mixture
    mouth: Mixture
    eyes: Mixture

    @classmethod
    def only(cls, *, head: int, mouth: int, eyes: int) -> Self:
        """One reference for each."""
        return cls(head=Mixture.only(head), mouth=Mixture.only(mouth), eyes=Mixture.only(eyes))


def choose_references(
    library: ReferenceLibrary,
    *,
    canonical_TN3: Floats,
    head_T7: Floats,
    barred_TR: NDArray[np.bool_] | None = None,
) -> list[FrameReferences]:
    """What each frame of a run is made of; it depends on `stages.warp.reach.CONTEXT_FRAMES` frames either side.

    Args:
        library: the references.
        canonical_TN3: meshes (T, 478, 3) in canonical space.
        head_T7: head vectors.
        barred_TR: which reference must not serve for which frame; where all are barred, any may.
    """
    heads_T = choose_heads(head_keys(head_T7), library.heads_RK, barred_TR=barred_TR)
    mouths_T = choose_mouths(mouth_keys(canonical_TN3, head_T7), library.mouths_RK, barred_TR=barred_TR)
    eyes_T = choose_eyes(eye_keys(canonical_TN3, head_T7), library.eyes_RK, barred_TR=barred_TR)
    tracks = (
        faded(heads_T, reach=HEAD_FADE_FRAMES),
        faded(mouths_T, reach=MOUTH_FADE_FRAMES),
        faded(eyes_T, reach=EYES_FADE_FRAMES),
    )
    return [
        FrameReferences(head=head, mouth=mouth, eyes=eyes) for head, mouth, eyes in zip(*tracks, strict=True)
    ]


def faded(chosen_T: NDArray[np.int64], *, reach: int) -> list[Mixture]:
    """The references chosen for the frames around each frame, by how often: a change becomes a linear fade.

    Args:
        chosen_T: the reference chosen for each frame.
        reach: frames either side that count, as many as there are.
    """
    mixtures = []
    for frame in range(len(chosen_T)):
        counted = Counter(chosen_T[max(0, frame - reach) : frame + reach + 1].tolist())
        mixtures.append(Mixture.of(counted))
    return mixtures
