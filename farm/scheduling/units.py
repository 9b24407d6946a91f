"""The words for work: the stages, and the pieces that they work on.

Everything here is plain data: no clock, no Ray, no arrays.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Stage(StrEnum):
    """The three stages that run in pools; each value names its pool."""

    MOTION = "motion"
    FACE = "face"
    RENDER = "render"


@dataclass(frozen=True, slots=True, order=True)
class Unit:
    """One piece of work for one replica: a window (motion) or a segment (face, render) of one take.

    The order (take, index) is the order of work: the first take and the first frames come first.
    """

    take: int
    index: int
    stage: Stage

    def __str__(self) -> str:
        noun = "window" if self.stage is Stage.MOTION else "segment"
        return f"take {self.take}, {noun} {self.index} ({self.stage})"


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentNeeds:
    """A segment still to be rendered, and the windows whose motion it (with its context frames) is made of."""

    take: int
    index: int
    windows: tuple[int, ...]
