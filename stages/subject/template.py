"""The subject's template, and motion as displacements from it (MODA eq. 3).

Legend: T frames, N points, M flattened mesh channels (1434), 3 = (x, y, z), 7 = head vector.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from stages.geometry.canonical import FACE_CENTRE
from stages.payloads import Motion
from stages.subject.tracks import ClipTracks, mouth_and_eyes

Floats = NDArray[np.float32]

TEMPLATE_UNIT: Final = 50.0
"""px: networks read the template mesh about its centre in this unit, so that its values are near one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """Mean canonical mesh (478, 3), mean head vector (7,) and mean shoulders (18, 3) of a subject."""

    mesh_N3: Floats
    head_7: Floats
    torso_N3: Floats

    @classmethod
    def from_clips(cls, clips: Sequence[ClipTracks], *, share: float = 1.0) -> Self:
        """Means over what is learnable in the first `share` of every clip; head and shoulders are the first clip's."""
        learnt = [_learnable(clip, share) for clip in clips]
        meshes = [clip.canonical_TN3[frames] for clip, frames in zip(clips, learnt, strict=True)]
        return cls(
            mesh_N3=np.concatenate(meshes).mean(axis=0).astype(np.float32),
            head_7=clips[0].head_T7[learnt[0]].mean(axis=0).astype(np.float32),
            torso_N3=clips[0].torso_TN3[learnt[0]].mean(axis=0).astype(np.float32),
        )

    @property
    def network_mesh_M(self) -> Floats:
        """The mesh as networks read it, (1434,)."""
        return ((self.mesh_N3 - FACE_CENTRE) / TEMPLATE_UNIT).astype(np.float32).reshape(-1)

    def displacements(self, clip: ClipTracks) -> Motion:
        """A clip's tracks relative to this template."""
        mouth_TN3, eyes_TN3 = mouth_and_eyes(clip.canonical_TN3 - self.mesh_N3)
        return Motion(
            mouth_TN3=np.ascontiguousarray(mouth_TN3),
            eyes_TN3=np.ascontiguousarray(eyes_TN3),
            head_TC=clip.head_T7 - self.head_7,
            torso_TN3=clip.torso_TN3 - self.torso_N3,
        )


def _learnable(clip: ClipTracks, share: float) -> list[int]:
    stop = max(1, int(clip.frame_count * share))
    # Of a clip that is unfit throughout its first part there must be a mean all the same.
    return clip.learnable(stop) or list(range(stop))
