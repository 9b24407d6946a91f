"""What a render tells whoever watches it. The coordinator reports; terminals and scripts decide how to show it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import Protocol

from farm.scheduling.units import Stage
from farm.tally import InspectionTally


class Step(StrEnum):
    """What a render is made of, in order. `STARTUP` is the time until every replica is ready."""

    STARTUP = "start-up"
    SPEECH = "speech"
    MOTION = "motion"
    FACE = "face"
    RENDER = "render"
    STITCH = "stitch"

    @classmethod
    def of(cls, stage: Stage) -> Step:
        """The step that a pool works on."""
        return {Stage.MOTION: cls.MOTION, Stage.FACE: cls.FACE, Stage.RENDER: cls.RENDER}[stage]


class RenderListener(Protocol):
    """Watches one render."""

    def advance(self, step: Step, *, done: int, total: int) -> None:
        """`done` of `total` units of the step are finished; called with 0 when the step is known."""
        ...

    def note(self, message: str) -> None:
        """One sentence worth telling, for example that segments were found in the store."""
        ...

    def inspected(self, tally: InspectionTally) -> None:
        """What the inspection of all segments committed so far comes to; called after each of them."""
        ...


class Silent:
    """A listener that shows nothing."""

    def advance(self, step: Step, *, done: int, total: int) -> None:
        """Ignore it."""

    def note(self, message: str) -> None:
        """Ignore it."""

    def inspected(self, tally: InspectionTally) -> None:
        """Ignore it."""


class StopWatch:
    """Seconds of work per step. Pools work at the same time, so the steps add up to more than the wall clock."""

    def __init__(self) -> None:
        self._seconds = dict.fromkeys(Step, 0.0)

    def add(self, step: Step, seconds: float) -> None:
        """Charge seconds to a step."""
        self._seconds[step] += seconds

    @contextmanager
    def measure(self, step: Step) -> Iterator[None]:
        """Charge the time of the block to a step, also where it raises."""
        started = time.perf_counter()
        try:
            yield
        finally:
            self.add(step, time.perf_counter() - started)

    def seconds(self) -> dict[Step, float]:
        """Seconds per step so far."""
        return dict(self._seconds)
