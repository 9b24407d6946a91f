"""The replicas of the pool, and which of them have room."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum

from farm.scheduling.job import Attempt
from farm.scheduling.messages import AttemptId


class ReplicaStatus(Enum):
    """What a replica is there for."""

    SERVING = "serving"
    SHUNNED = "shunned"  # failed too many jobs in a row; forgiven after a while
    DRAINING = "draining"  # finishes what it runs and retires
    RECYCLING = "recycling"  # finishes what it runs and is started anew


@dataclass(slots=True, kw_only=True)
class ReplicaEntry:
    """One replica.

    Attributes:
        loaded: The subject of the last attempt that began.
        subject: What it will have loaded when its last attempt begins.
        served: Segments dispatched to it since it joined; 0 is a fresh one.
        failed_jobs: Jobs that failed on it since its last success, in order, each once.
        freed_at: When an attempt on it was last over.
        is_worn: It is started anew as soon as it is empty, whatever else becomes of it.
        is_alone: It runs a suspect, beside which nothing else may wait.
    """

    name: str
    attempts: dict[AttemptId, Attempt] = field(default_factory=dict)
    status: ReplicaStatus = ReplicaStatus.SERVING
    loaded: str | None = None
    subject: str | None = None
    served: int = 0
    failed_jobs: list[str] = field(default_factory=list)
    shunned_until: float = 0.0
    freed_at: float = 0.0
    is_worn: bool = False
    is_alone: bool = False


class ReplicaPool:
    """All replicas, and those with room by how much of them is taken and what they have loaded."""

    def __init__(self, *, slots: int) -> None:
        self._slots = slots
        self._replicas: dict[str, ReplicaEntry] = {}
        self._with_room: list[dict[str | None, dict[str, None]]] = [{} for _ in range(slots)]
        self._filed: dict[str, tuple[int, str | None]] = {}
        self._leaving: dict[str, None] = {}
        self.restarts_due: list[float] = []

    def __contains__(self, name: str) -> bool:
        return name in self._replicas

    def __getitem__(self, name: str) -> ReplicaEntry:
        return self._replicas[name]

    def __iter__(self) -> Iterator[ReplicaEntry]:
        return iter(self._replicas.values())

    def __len__(self) -> int:
        return len(self._replicas)

    def add(self, replica: ReplicaEntry) -> None:
        """A replica is there."""
        self._replicas[replica.name] = replica
        self.file(replica)

    def remove(self, name: str) -> ReplicaEntry:
        """A replica is gone."""
        self._unfile(name)
        self._leaving.pop(name, None)
        return self._replicas.pop(name)

    def file(self, replica: ReplicaEntry) -> None:
        """Put a replica that changed where it is found."""
        self._unfile(replica.name)
        if self.has_room(replica):
            place = len(replica.attempts), replica.subject
            self._with_room[place[0]].setdefault(place[1], {})[replica.name] = None
            self._filed[replica.name] = place
        if replica.status in {ReplicaStatus.DRAINING, ReplicaStatus.RECYCLING}:
            self._leaving[replica.name] = None
        else:
            self._leaving.pop(replica.name, None)

    def has_room(self, replica: ReplicaEntry) -> bool:
        """Whether another segment may go there."""
        return (
            replica.status is ReplicaStatus.SERVING
            and not replica.is_alone
            and len(replica.attempts) < self._slots
        )

    def is_filed_right(self, replica: ReplicaEntry) -> bool:
        """Whether the replica would be found where it belongs; for the audit."""
        place = (len(replica.attempts), replica.subject) if self.has_room(replica) else None
        leaves = replica.status in {ReplicaStatus.DRAINING, ReplicaStatus.RECYCLING}
        return self._filed.get(replica.name) == place and leaves == (replica.name in self._leaving)

    def pick(self, subject: str | None) -> ReplicaEntry | None:
        """The emptiest replica with room; among equals one that has the subject loaded, or nothing yet."""
        for by_subject in self._with_room:
            for wanted in (subject, None):
                if by_subject.get(wanted):
                    return self._replicas[next(iter(by_subject[wanted]))]
            for names in by_subject.values():
                return self._replicas[next(iter(names))]
        return None

    def idle(self) -> Iterator[ReplicaEntry]:
        """Replicas that do nothing and may do anything."""
        for names in self._with_room[0].values():
            for name in names:
                yield self._replicas[name]

    def leaving(self) -> tuple[ReplicaEntry, ...]:
        """Replicas that are to be emptied and ended, in the order in which that was asked."""
        return tuple(self._replicas[name] for name in self._leaving)

    def count_idle(self) -> int:
        """How many of them there are."""
        return sum(len(names) for names in self._with_room[0].values())

    def shared(self) -> Iterator[ReplicaEntry]:
        """Replicas with room beside a segment that they have."""
        for by_subject in self._with_room[1:]:
            for names in by_subject.values():
                for name in names:
                    yield self._replicas[name]

    def fresh(self) -> ReplicaEntry | None:
        """An idle replica that has served nothing yet."""
        for name in self._with_room[0].get(None, {}):
            if self._replicas[name].served == 0:
                return self._replicas[name]
        return None

    def _unfile(self, name: str) -> None:
        place = self._filed.pop(name, None)
        if place is not None:
            names = self._with_room[place[0]][place[1]]
            del names[name]
            if not names:
                del self._with_room[place[0]][place[1]]
