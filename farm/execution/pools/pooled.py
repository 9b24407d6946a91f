"""What the pools remember of one replica: the tasks that it holds, and the questions that it has not answered."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from farm.execution.work_watch import WorkProgress
from farm.scheduling.units import Stage


@dataclass(slots=True)
class Held:
    """One task on a replica.

    Attributes:
        work: Reference of its result.
        has_begun: Its `Began` is reported.
        recalls: References of recalls that are not answered.
    """

    key: str
    work: Any
    has_begun: bool = False
    recalls: set[Any] = field(default_factory=set)


@dataclass(slots=True, eq=False)
class Pooled:
    """One actor.

    Attributes:
        arrival: Reference of its set-up; None once it has joined.
        node: Hexadecimal id of its node; empty until it has joined.
        held: Its tasks, the oldest first. An actor works in the order in which it is asked.
        stops: The task of each wish to stop that is not answered.
        gaze: Reference of a look that is not answered.
        gazed_at: When it was last looked at, or began what it is at; seconds of the monotonic clock.
        seen: What it was at when it was last looked at.
    """

    name: str
    stage: Stage
    actor: Any
    arrival: Any
    node: str = ""
    held: deque[Held] = field(default_factory=deque)
    stops: dict[Any, str] = field(default_factory=dict)
    gaze: Any = None
    gazed_at: float = 0.0
    seen: WorkProgress = field(default_factory=WorkProgress)
    is_said_to_drain: bool = False

    @property
    def has_joined(self) -> bool:
        """Whether it is set up."""
        return self.arrival is None

    def references(self) -> Iterator[Any]:
        """Everything that it has not answered."""
        if self.arrival is not None:
            yield self.arrival
        if self.gaze is not None:
            yield self.gaze
        yield from self.stops
        for task in self.held:
            yield task.work
            yield from task.recalls

    def task(self, key: str) -> Held | None:
        """The task, if the replica holds it."""
        return next((task for task in self.held if task.key == key), None)

    def keys(self) -> tuple[str, ...]:
        """Of what it holds, the oldest first."""
        return tuple(task.key for task in self.held)
