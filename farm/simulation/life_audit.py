"""Follows every transition: lives have no gaps, terminal states are left by a retry alone, and all have a reason."""

from __future__ import annotations

from farm.scheduling.state import Moved
from jobs.lifecycle import JobEvent, SegmentEvent, SegmentState
from jobs.states import Event, State

_RETRIES = {JobEvent.RETRIED, SegmentEvent.RETRIED}


class LifeAudit:
    """Takes transitions one after another and keeps what is wrong with them.

    Attributes:
        rows: The rows of the table that were taken.
    """

    def __init__(self) -> None:
        self.rows: set[tuple[State, Event]] = set()
        self._last: dict[str, State] = {}
        self._broken: list[str] = []

    def add(self, moved: Moved) -> None:
        """Check the transition against the one before."""
        last = self._last.get(moved.subject, moved.before)
        name = f"{moved.subject}: {moved.before.value} -> {moved.after.value}"
        if last is not moved.before:
            self._broken.append(f"{name}, but it was {last.value}")
        if moved.before.is_terminal and moved.after is not moved.before and moved.event not in _RETRIES:
            self._broken.append(f"{name}: a terminal state was left")
        if moved.before is SegmentState.COMMITTED and moved.after is not moved.before:
            self._broken.append(f"{name}: a committed segment was taken back")
        if not moved.reason.text:
            self._broken.append(f"{name}: without a reason")
        self._last[moved.subject] = moved.after
        self.rows.add((moved.before, moved.event))

    def take(self) -> list[str]:
        """What was found since the last call."""
        broken, self._broken = self._broken, []
        return broken
