"""What the pools are told, and what they report. No pixels travel here.

A pool belongs to no job: every task brings along what its replica must have loaded.
"""

from __future__ import annotations

from dataclasses import dataclass

from farm.execution.calls import Call, ReplicaFacts, ReplicaSetup, Result, WholeCall, WholeStep
from farm.scheduling.units import Stage, Unit
from jobs.errors import FarmError


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One piece of work for one replica.

    Attributes:
        key: Unique among all tasks of this run of the farm.
        job: Whose it is.
        unit: What it is, for people and for errors.
        setup: What the replica must have loaded: subject, weights, store, profile.
        call: What it shall do.
    """

    key: str
    job: str
    unit: Unit
    setup: ReplicaSetup
    call: Call


@dataclass(frozen=True, slots=True, kw_only=True)
class WholeTask:
    """A job in one piece for one replica.

    Attributes:
        key: Unique among all tasks of this run of the farm.
        job: Whose it is.
        unit: What it is, for people and for errors.
        call: What it shall do.
    """

    key: str
    job: str
    unit: Unit
    call: WholeCall


AnyTask = Task | WholeTask


@dataclass(frozen=True, slots=True)
class Joined:
    """A replica is ready for tasks."""

    replica: str
    stage: Stage
    facts: ReplicaFacts


@dataclass(frozen=True, slots=True, kw_only=True)
class Gone:
    """A replica ended by itself; a replacement is on its way. No other event of its tasks follows.

    Attributes:
        tasks: Keys of what it held, the oldest first.
        explained: Its node died or was taken back: no task is to blame.
        reason: One line for people.
    """

    replica: str
    stage: Stage
    tasks: tuple[str, ...]
    explained: bool
    reason: str


@dataclass(frozen=True, slots=True)
class Draining:
    """The replica's node will be taken back: what it runs may finish, nothing more shall go there."""

    replica: str


@dataclass(frozen=True, slots=True)
class Began:
    """The replica works on the task."""

    key: str


@dataclass(frozen=True, slots=True)
class TaskAdvanced:
    """The task was asked about, and goes on: it drew another frame since it was last asked about, or owes none now.

    It owes none while its replica loads what it needs, and after its last frame; a window and a face never do.

    Attributes:
        step: How far a job in one piece is.
    """

    key: str
    step: WholeStep | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """The task is done; `seconds` is the time it was worked on.

    Attributes:
        notice: One sentence that the user should read, where the replica loaded the task's setup just now.
        was_cold: The replica had to load the task's setup first.
    """

    key: str
    result: Result
    seconds: float
    notice: str = ""
    was_cold: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """The stage raised.

    Attributes:
        is_replica_suspect: The replica itself may be at fault; it is ended and replaced (`Gone` follows, explained).
    """

    key: str
    error: FarmError
    seconds: float
    is_replica_suspect: bool = False


@dataclass(frozen=True, slots=True)
class TakenBack:
    """The task was recalled before it began."""

    key: str


@dataclass(frozen=True, slots=True)
class StoppedAsAsked:
    """The task stopped between two frames, as asked."""

    key: str


PoolEvent = Joined | Gone | Draining | Began | TaskAdvanced | Finished | Refused | TakenBack | StoppedAsAsked


class PoolEventQueue:
    """Events on their way to whoever waits, in order; knows of which replica each speaks."""

    def __init__(self) -> None:
        self._events: list[tuple[str, PoolEvent]] = []

    def __bool__(self) -> bool:
        return bool(self._events)

    def put(self, replica: str, event: PoolEvent) -> None:
        """Add an event of the replica."""
        self._events.append((replica, event))

    def drop(self, replica: str) -> None:
        """Take back what was not yet reported of the replica and its tasks."""
        self._events = [entry for entry in self._events if entry[0] != replica]

    def take(self) -> list[PoolEvent]:
        """Everything since the last call."""
        taken = [event for _, event in self._events]
        self._events.clear()
        return taken
