"""A digital actor whose picture is moved to poses that are known: frames with a true mesh."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from stages.builtin import builtin_subject
from stages.geometry.canonical import pose
from stages.subject.package import SubjectPackage
from stages.warp.control_mesh import ControlMesh


@dataclass(frozen=True, slots=True, kw_only=True)
class PosedActor:
    """The reference is taken to show the template's pose: what is drawn from it is right by construction."""

    canonical_N3: np.ndarray
    head_7: np.ndarray
    torso_18x3: np.ndarray
    reference_HW3: np.ndarray
    control: ControlMesh

    @classmethod
    def of(cls, name: str = "actor-a") -> PosedActor:
        subject = SubjectPackage.load(builtin_subject(name))
        template = subject.template
        picture_HW3 = cv2.resize(subject.reference_HW3, (512, 512), interpolation=cv2.INTER_CUBIC)
        return cls(
            canonical_N3=template.mesh_N3,
            head_7=template.head_7,
            torso_18x3=template.torso_N3,
            reference_HW3=picture_HW3,
            control=ControlMesh.of(
                canonical_N3=template.mesh_N3, head_7=template.head_7, torso_18x3=template.torso_N3
            ),
        )

    def mesh(self, head_7: np.ndarray | None = None) -> np.ndarray:
        return pose(self.canonical_N3[None], (self.head_7 if head_7 is None else head_7)[None])[0]

    def points(self, head_7: np.ndarray | None = None, torso_18x3: np.ndarray | None = None) -> np.ndarray:
        return self.control.points(
            mesh_N3=self.mesh(head_7),
            head_7=self.head_7 if head_7 is None else head_7,
            torso_18x3=self.torso_18x3 if torso_18x3 is None else torso_18x3,
        )

    def frame(self, head_7: np.ndarray | None = None, torso_18x3: np.ndarray | None = None) -> np.ndarray:
        raster = self.control.raster(self.points(head_7, torso_18x3), depth_N=self.mesh(head_7)[:, 2])
        return raster.field_from(self.points()).move(self.reference_HW3)

    def heads(self, count: int) -> np.ndarray:
        """Head vectors (T, 7) of a head that looks around, nods and comes nearer."""
        head_T7 = np.repeat(self.head_7[None], count, axis=0)
        phase_T = 2 * np.pi * np.arange(count) / 20
        swing_T7 = np.stack([np.sin(phase_T * rate) for rate in (1, 0.7, 0.4, 0.5, 0.9, 0, 0.6)], axis=-1)
        return (head_T7 + swing_T7 * np.array([5, 4, 3, 9, 6, 0, 0.02])).astype(np.float32)
