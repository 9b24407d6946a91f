"""The words for work: the stages, the pieces that they work on, and what becomes of a piece that fails.

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


@dataclass(frozen=True, slots=True)
class UnitLost:
    """The replica that held the unit is gone.

    Attributes:
        was_running: False where the unit was only queued on that replica: such a unit is innocent of the death.
    """

    unit: Unit
    was_running: bool


@dataclass(frozen=True, slots=True)
class UnitFailed:
    """The stage refused or failed the unit.

    Attributes:
        is_final: True where trying again cannot help, for example a coded error about the input.
    """

    unit: Unit
    is_final: bool


class Owner(StrEnum):
    """Who a failure belongs to."""

    UNIT = "unit"
    INFRASTRUCTURE = "infrastructure"


@dataclass(frozen=True, slots=True)
class GiveUp:
    """The render cannot be finished; no other action follows."""

    unit: Unit
    owner: Owner
    reason: str
