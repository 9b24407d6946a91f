"""The replicas that are there, and which of them holds a task."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from farm.execution.pools.pooled import Held, Pooled


class Roster:
    """Replicas by name, tasks by key."""

    def __init__(self) -> None:
        self._replicas: dict[str, Pooled] = {}
        self._holder: dict[str, Pooled] = {}

    def __iter__(self) -> Iterator[Pooled]:
        # A copy: replicas end and join while they are gone through.
        return iter(list(self._replicas.values()))

    def __contains__(self, replica: Pooled) -> bool:
        return replica.name in self._replicas

    def find(self, name: str) -> Pooled | None:
        """The replica, if it is there."""
        return self._replicas.get(name)

    def references(self) -> list[Any]:
        """Everything that no replica has answered."""
        return [reference for replica in self._replicas.values() for reference in replica.references()]

    def add(self, replica: Pooled) -> None:
        """A replica was hired."""
        self._replicas[replica.name] = replica

    def remove(self, replica: Pooled) -> None:
        """A replica is not there any more, and its tasks are with nobody."""
        del self._replicas[replica.name]
        for task in replica.held:
            del self._holder[task.key]

    def hold(self, replica: Pooled, task: Held) -> None:
        """A replica got a task."""
        self._holder[task.key] = replica
        replica.held.append(task)

    def release(self, replica: Pooled, task: Held) -> None:
        """A task is over."""
        del self._holder[task.key]
        replica.held.remove(task)

    def holding(self, key: str) -> tuple[Pooled, Held] | None:
        """Who holds a task; None where it is over."""
        replica = self._holder.get(key)
        task = replica.task(key) if replica else None
        return (replica, task) if replica and task else None
