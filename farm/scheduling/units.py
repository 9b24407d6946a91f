"""The words for work: the stages, and the pieces that they work on.

Everything here is plain data: no clock, no Ray, no arrays.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Stage(StrEnum):
    """What runs in pools; each value names its pool: three stages of a render, and jobs that are done in one piece."""

    MOTION = "motion"
    FACE = "face"
    RENDER = "render"
    PREPARATION = "preparation"
    TRAINING = "training"
    EVALUATION = "evaluation"


RENDER_STAGES: Final = (Stage.MOTION, Stage.FACE, Stage.RENDER)
WHOLE_STAGES: Final = (Stage.PREPARATION, Stage.TRAINING, Stage.EVALUATION)
"""Of jobs in one piece, whose one segment is all of their work."""


@dataclass(frozen=True, slots=True, order=True)
class Unit:
    """One piece of work for one replica: a window (motion) or a segment (face, render) of one take, or a whole job.

    The order (take, index) is the order of work: the first take and the first frames come first.
    """

    take: int
    index: int
    stage: Stage

    def __str__(self) -> str:
        if self.stage in WHOLE_STAGES:
            return f"the {self.stage}"
        noun = "window" if self.stage is Stage.MOTION else "segment"
        return f"take {self.take}, {noun} {self.index} ({self.stage})"


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentNeeds:
    """A segment still to be rendered, and the windows whose motion it (with its context frames) is made of."""

    take: int
    index: int
    windows: tuple[int, ...]
