"""What a take looks like before its pixels are paid for: drawn lines for each second frame, and stills.

Lines cost a thousandth of what a renderer takes for the same frame, which a warp of every frame would not. A still is
the bare warp of the subject's references, with the lines over it; of a subject without references it is lines alone.

Legend: S side of a picture, N points, 3 = RGB.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Self

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from stages.encode.profile import SKETCH
from stages.geometry.canonical import straightened
from stages.payloads import PosedFace
from stages.render.condition import ConditionPainter
from stages.render.warped_stage import WarpedStage
from stages.subject.library_file import read_library
from stages.subject.package import SubjectPackage
from stages.subject.template import Template
from stages.warp.references import choose_references

Frame = NDArray[np.uint8]

STILL_SIZE: Final = 256
"""Side of a still in px."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TakeSketcher:
    """Sketches takes of one subject.

    Attributes:
        template: The subject's template.
        warp: Draws the subject by its references; None where it has none.
    """

    template: Template
    warp: WarpedStage | None
    _lines: ConditionPainter
    _still_lines: ConditionPainter

    @classmethod
    def load(cls, *, subject: SubjectPackage) -> Self:
        """Load the subject's references, if it has some; its renderer is not needed.

        Raises:
            SubjectError: The references are damaged, or of another subject.
        """
        warp = None
        if subject.library is not None:
            library = read_library(subject.library, template=subject.template).opened()
            warp = WarpedStage(None, library=library, template=subject.template, device=torch.device("cpu"))
        return cls(
            template=subject.template,
            warp=warp,
            _lines=ConditionPainter(SKETCH.size, with_mesh=False),
            _still_lines=ConditionPainter(STILL_SIZE, with_mesh=False),
        )

    def picture(self, face: PosedFace, *, frame: int) -> Frame:
        """A picture of the playback, (192, 192, 3) uint8 RGB.

        Args:
            face: Posed faces, px on the 512 canvas.
            frame: Which of them.
        """
        return self._lines.paint(face.mesh_TN3[frame], face.torso_TN3[frame])

    def still(self, face: PosedFace, *, frame: int) -> Frame:
        """A picture of the contact sheet, (256, 256, 3) uint8 RGB. Args as `picture`."""
        # Alone: what its references are made from is not smoothed over its neighbours, as a render's are.
        alone = face.slice(frame, frame + 1)
        below_SS3 = None
        if self.warp is not None:
            canonical_TN3, head_T7 = straightened(alone.mesh_TN3, template_N3=self.template.mesh_N3)
            references = choose_references(self.warp.library, canonical_TN3=canonical_TN3, head_T7=head_T7)
            warped_SS3 = next(self.warp.draw(alone, head_T7=head_T7, references=references, frames=range(1)))
            below_SS3 = np.asarray(
                cv2.resize(warped_SS3, (STILL_SIZE, STILL_SIZE), interpolation=cv2.INTER_AREA), dtype=np.uint8
            )
        return self._still_lines.paint(alone.mesh_TN3[0], alone.torso_TN3[0], onto_SS3=below_SS3)
