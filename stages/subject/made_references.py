"""References that are made of a photo, whose mouth or eyes differ from it and nothing else.

Legend: K references made, N mesh points (478), P control points, S side of a picture (512 px), M side of a mask,
2/3 = (x, y[, z]), 3 = RGB.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from stages.geometry.canonical import straightened
from stages.subject.donor import PhotoPose
from stages.subject.library_file import MASK_SIZE, StoredReferences
from stages.subject.template import Template
from stages.warp.candidates import Candidates
from stages.warp.control_mesh import ControlMesh
from stages.warp.keys import eye_keys, mouth_keys
from stages.warp.plate import Picture

Floats = NDArray[np.float32]


@dataclass(slots=True, kw_only=True)
class MadeReferences:
    """Collects them, and puts them behind the photo's library.

    Attributes:
        face: where the photo's face is.
        template: of the subject.
        control: of the subject.
    """

    face: PhotoPose
    template: Template
    control: ControlMesh
    _pictures: list[Picture] = field(default_factory=list)
    _masks: list[Picture] = field(default_factory=list)
    _meshes: list[Floats] = field(default_factory=list)

    def points(self, mesh_N3: Floats) -> Floats:
        """Control points (P, 2) of a mesh in the photo."""
        return self.control.points(mesh_N3=mesh_N3, head_7=self.face.head_7, torso_18x3=self.face.torso_18x3)

    def add(self, made: Candidates, *, mesh_N3: Floats) -> None:
        """One more: its picture is the first candidate, its mesh (N, 3) in the photo."""
        half_MM = cv2.resize(made.mask_SS, (MASK_SIZE, MASK_SIZE), interpolation=cv2.INTER_AREA)
        self._pictures.append(made.head_SS3)
        self._masks.append(np.asarray(half_MM, dtype=np.uint8))
        self._meshes.append(mesh_N3)

    def mouths_behind(self, library: StoredReferences) -> StoredReferences:
        """The library with these as mouths; its first reference is the photo."""
        return self._behind(library, is_mouths=True)

    def eyes_behind(self, library: StoredReferences) -> StoredReferences:
        """The library with these as eyes; its first reference is the photo."""
        return self._behind(library, is_mouths=False)

    def _behind(self, library: StoredReferences, *, is_mouths: bool) -> StoredReferences:
        count = len(self._pictures)
        if not count:
            return library
        canonical_KN3, _ = straightened(np.stack(self._meshes), template_N3=self.template.mesh_N3)
        head_K7 = np.repeat(self.face.head_7[None], count, axis=0)
        # Of references that are as near as each other the first is drawn: for all but what differs that is the photo.
        heads_KK, mouths_KK, eyes_KK = (
            np.repeat(keys_RK[:1], count, axis=0)
            for keys_RK in (library.heads_RK, library.mouths_RK, library.eyes_RK)
        )
        if is_mouths:
            mouths_KK = mouth_keys(canonical_KN3, head_K7)
        else:
            eyes_KK = eye_keys(canonical_KN3, head_K7)
        return replace(
            library,
            pictures_RSS3=np.concatenate([library.pictures_RSS3, np.stack(self._pictures)]),
            masks_RMM=np.concatenate([library.masks_RMM, np.stack(self._masks)]),
            # All of them are made of the one picture.
            frames_R=np.concatenate([library.frames_R, np.zeros(count, dtype=np.int32)]),
            points_RP2=np.concatenate(
                [library.points_RP2, np.stack([self.points(each) for each in self._meshes])]
            ),
            heads_RK=np.concatenate([library.heads_RK, heads_KK]),
            mouths_RK=np.concatenate([library.mouths_RK, mouths_KK]),
            eyes_RK=np.concatenate([library.eyes_RK, eyes_KK]),
        )
