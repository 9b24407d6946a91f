"""What a renderer's weights say of themselves, for whoever plans a render: read without loading the network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Self

from stages.errors import WeightsError
from stages.geometry.canonical import CANVAS
from stages.payloads import FRAMES_PER_SECOND
from stages.render.generator_config import GeneratorConfig
from stages.subject.library_file import has_still_background
from stages.subject.package import SubjectPackage
from stages.warp.reach import CONTEXT_FRAMES
from stages.weights_header import Scalar, check_header, read_header, read_sizes


class Architecture(StrEnum):
    """How a renderer makes its pictures; the word in the header of its weights."""

    DRAWN = "renderer"
    """By the paper's U-Net, from condition and reference image."""
    WARPED = "warped"
    """By a network that repairs warped references; the package needs a reference library."""


EXPECTED: Final[Mapping[str, Scalar]] = {"architecture": Architecture.DRAWN.value, "fps": FRAMES_PER_SECOND}
"""What the header of the weights of the paper's renderer holds."""

EXPECTED_WARPED: Final[Mapping[str, Scalar]] = {
    "architecture": Architecture.WARPED.value,
    "fps": FRAMES_PER_SECOND,
}
"""What the header of the weights of a network that repairs holds."""

_MOST_FRAMES: Final = 1 << 24
"""Up to here a frame's number is a whole number in single precision, a week of clip."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RendererFacts:
    """A subject's renderer.

    Attributes:
        architecture: How it makes pictures.
        size: Side of its pictures in px.
        trained_frames: Frames of the subject's clip that it has seen; 0 where nothing was trained.
    """

    architecture: Architecture
    size: int
    trained_frames: int

    @property
    def context_frames(self) -> int:
        """Posed faces that it wants to see either side of those it draws; one that draws a face sees no other."""
        return CONTEXT_FRAMES if self.architecture is Architecture.WARPED else 0

    @classmethod
    def of(cls, subject: SubjectPackage) -> Self:
        """Read them from the header of the subject's weights; without weights references are warped and not repaired.

        Raises:
            WeightsError: They are no weights, of another network, or were trained on somebody else.
        """
        weights = subject.renderer_weights
        if weights is None:
            return cls(architecture=Architecture.WARPED, size=CANVAS, trained_frames=0)
        if read_header(weights).architecture == Architecture.WARPED:
            check_header(weights, expected=EXPECTED_WARPED)
            architecture, size = Architecture.WARPED, CANVAS
        else:
            check_header(weights, expected=EXPECTED)
            architecture, size = Architecture.DRAWN, read_sizes(weights, GeneratorConfig).size
        facts = read_header(weights).facts
        trained = facts.get(f"trained_frames:{subject.name}")
        if type(trained) is not int or not 1 <= trained <= _MOST_FRAMES:
            known = [name.partition(":")[2] for name in facts if name.startswith("trained_frames:")]
            raise WeightsError(
                code="weights_mismatch",
                where=subject.name,
                what=f"the renderer was not trained on this subject, but on {', '.join(known) or 'none named'}",
                hint="use the weights that belong to the subject",
            )
        return cls(architecture=architecture, size=size, trained_frames=trained)


def why_no_background(subject: SubjectPackage) -> str:
    """Why a subject cannot be shown before another background; empty where it can.

    Raises:
        SubjectError: its references are damaged, or of another subject.
        WeightsError: as `RendererFacts.of`.
    """
    if RendererFacts.of(subject).architecture is Architecture.DRAWN or subject.library is None:
        return "its renderer draws the whole picture, and knows of no background"
    if not has_still_background(subject.library, template=subject.template):
        return "its background moved when it was recorded, so that it was not cut out"
    return ""
