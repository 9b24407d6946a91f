"""The replicas in the pools: what each holds and has not answered, who holds which task, and when others start.

Knows nothing of Ray: actors and references are only kept here.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from farm.execution.work_watch import WorkProgress
from farm.scheduling.units import Stage

FAILED_STARTS_BEFORE_WAIT: Final = 5
"""Replicas of a stage that may be lost in a row before they joined until their successors are made to wait."""

_FIRST_WAIT_S: Final = 1.0
_LONGEST_WAIT_S: Final = 30.0


@dataclass(slots=True)
class PendingCall:
    """One task on a replica.

    Attributes:
        result: Reference of what it comes to.
        has_begun: Its `Began` is reported.
        recalls: References of recalls that are not answered.
    """

    key: str
    result: Any
    has_begun: bool = False
    recalls: set[Any] = field(default_factory=set)


@dataclass(slots=True, eq=False)
class PoolMember:
    """One replica.

    Attributes:
        set_up: Reference of its set-up; None once it has joined.
        node: Hexadecimal id of its node; empty until it has joined.
        pending: Its tasks, the oldest first. An actor works in the order in which it is asked.
        stops: The task of each wish to stop that is not answered.
        progress_poll: Reference of a question for its progress that is not answered.
        polled_at: When it was last asked, or began what it is at; seconds of the monotonic clock.
        progress: What it was at when it was last asked.
    """

    name: str
    stage: Stage
    actor: Any
    set_up: Any
    node: str = ""
    pending: deque[PendingCall] = field(default_factory=deque)
    stops: dict[Any, str] = field(default_factory=dict)
    progress_poll: Any = None
    polled_at: float = 0.0
    progress: WorkProgress = field(default_factory=WorkProgress)
    is_drain_reported: bool = False

    @property
    def has_joined(self) -> bool:
        """Whether it is set up."""
        return self.set_up is None

    def references(self) -> Iterator[Any]:
        """Everything that it has not answered."""
        if self.set_up is not None:
            yield self.set_up
        if self.progress_poll is not None:
            yield self.progress_poll
        yield from self.stops
        for call in self.pending:
            yield call.result
            yield from call.recalls

    def call(self, key: str) -> PendingCall | None:
        """The task, if the replica holds it."""
        return next((call for call in self.pending if call.key == key), None)

    def keys(self) -> tuple[str, ...]:
        """Of what it holds, the oldest first."""
        return tuple(call.key for call in self.pending)


class PoolMembers:
    """Replicas by name, and the holder of each task by its key."""

    def __init__(self) -> None:
        self._members: dict[str, PoolMember] = {}
        self._holders: dict[str, PoolMember] = {}

    def __iter__(self) -> Iterator[PoolMember]:
        # A copy: replicas end and join while they are gone through.
        return iter(list(self._members.values()))

    def __contains__(self, member: PoolMember) -> bool:
        return member.name in self._members

    def find(self, name: str) -> PoolMember | None:
        """The replica, if it is there."""
        return self._members.get(name)

    def references(self) -> list[Any]:
        """Everything that no replica has answered."""
        return [reference for member in self._members.values() for reference in member.references()]

    def add(self, member: PoolMember) -> None:
        """A replica was started."""
        self._members[member.name] = member

    def remove(self, member: PoolMember) -> None:
        """A replica is not there any more, and its tasks are with nobody."""
        del self._members[member.name]
        for call in member.pending:
            del self._holders[call.key]

    def hold(self, member: PoolMember, call: PendingCall) -> None:
        """A replica got a task."""
        self._holders[call.key] = member
        member.pending.append(call)

    def release(self, member: PoolMember, call: PendingCall) -> None:
        """A task is over."""
        del self._holders[call.key]
        member.pending.remove(call)

    def holding(self, key: str) -> tuple[PoolMember, PendingCall] | None:
        """Who holds a task; None where it is over."""
        member = self._holders.get(key)
        call = member.call(key) if member else None
        return (member, call) if member and call else None


@dataclass(slots=True)
class ReplicaStarts:
    """Counts the replicas of each stage and their failed starts in a row; says when the next one may start."""

    _numbers: Counter[Stage] = field(default_factory=Counter)
    _failed: Counter[Stage] = field(default_factory=Counter)
    _delayed: list[tuple[float, Stage]] = field(default_factory=list)

    def name(self, stage: Stage) -> str:
        """A name that none had before, such as ``render-3``."""
        self._numbers[stage] += 1
        return f"{stage}-{self._numbers[stage]}"

    def succeeded(self, stage: Stage) -> None:
        """A replica of the stage joined."""
        del self._failed[stage]

    def failed(self, stage: Stage) -> int:
        """A replica was lost before it joined; returns how many were in a row."""
        self._failed[stage] += 1
        return self._failed[stage]

    def wait_s(self, stage: Stage) -> float:
        """How long the next replica of the stage shall wait: 0, or 1 s, 2 s, 4 s to 30 s after many failed starts."""
        excess = self._failed[stage] - FAILED_STARTS_BEFORE_WAIT
        return 0.0 if excess < 0 else min(_FIRST_WAIT_S * 2.0 ** min(excess, 10), _LONGEST_WAIT_S)

    def delay(self, stage: Stage, *, until: float) -> None:
        """Start one later."""
        self._delayed.append((until, stage))

    def due(self, now: float) -> list[Stage]:
        """Stages of which one that was delayed may start now."""
        ready = [stage for at, stage in self._delayed if at <= now]
        self._delayed = [(at, stage) for at, stage in self._delayed if at > now]
        return ready
