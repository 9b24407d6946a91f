"""Names for replicas, and how long to wait before another takes the place of one that never got ready."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Final

from farm.scheduling.units import Stage

PATIENCE: Final = 5
"""Replicas of a stage that may die in a row before they joined until their successors are made to wait."""

_FIRST_WAIT_S: Final = 1.0
_LONGEST_WAIT_S: Final = 30.0


@dataclass(slots=True)
class Hiring:
    """Counts the replicas of each stage, and their stillbirths in a row."""

    _numbers: Counter[Stage] = field(default_factory=Counter)
    _stillborn: Counter[Stage] = field(default_factory=Counter)
    _due: list[tuple[float, Stage]] = field(default_factory=list)

    def name(self, stage: Stage) -> str:
        """A name that none had before, such as ``render-3``."""
        self._numbers[stage] += 1
        return f"{stage}-{self._numbers[stage]}"

    def joined(self, stage: Stage) -> None:
        """A replica of the stage got ready."""
        del self._stillborn[stage]

    def stillborn(self, stage: Stage) -> int:
        """A replica died before it joined; returns how many did in a row."""
        self._stillborn[stage] += 1
        return self._stillborn[stage]

    def wait_s(self, stage: Stage) -> float:
        """How long the next replica of the stage shall wait: 0, or 1 s, 2 s, 4 s to 30 s after many stillbirths."""
        excess = self._stillborn[stage] - PATIENCE
        return 0.0 if excess < 0 else min(_FIRST_WAIT_S * 2.0 ** min(excess, 10), _LONGEST_WAIT_S)

    def put_off(self, stage: Stage, *, until: float) -> None:
        """Hire one later."""
        self._due.append((until, stage))

    def due(self, now: float) -> list[Stage]:
        """Stages that may hire one of those that were put off, now."""
        ready = [stage for at, stage in self._due if at <= now]
        self._due = [(at, stage) for at, stage in self._due if at > now]
        return ready
