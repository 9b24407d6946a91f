"""Happenings on their way to whoever waits, in the order in which they came about."""

from __future__ import annotations

from farm.execution.pools.messages import PoolEvent


class PoolEventQueue:
    """Knows of which replica each happening speaks, so that a killed replica falls silent at once."""

    def __init__(self) -> None:
        self._happenings: list[tuple[str, PoolEvent]] = []

    def __bool__(self) -> bool:
        return bool(self._happenings)

    def put(self, replica: str, happening: PoolEvent) -> None:
        """Add a happening."""
        self._happenings.append((replica, happening))

    def silence(self, replica: str) -> None:
        """Take back what was not yet told of the replica and its tasks."""
        self._happenings = [entry for entry in self._happenings if entry[0] != replica]

    def take(self) -> list[PoolEvent]:
        """Everything since the last call."""
        taken = [happening for _, happening in self._happenings]
        self._happenings.clear()
        return taken
