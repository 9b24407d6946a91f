"""A background that a test holds still: work waits there until it is let go."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from farm.coordination.background import WorkKind
from jobs.errors import FarmError


class HeldBackground:
    """Does its work in the loop's own thread, and only what is not held."""

    def __init__(self, *, holds: frozenset[str] = frozenset()) -> None:
        """Args: holds: names of the functions that wait."""
        self.holds = holds
        self.waiting: list[tuple[str, Callable[[], Any], Callable[[Any], None]]] = []

    @property
    def is_idle(self) -> bool:
        return not self.waiting

    def ask(
        self, work: Callable[[], Any], then: Callable[[Any], None], *, kind: WorkKind, after_s: float = 0.0
    ) -> None:
        self.waiting.append((getattr(work, "func", work).__name__, work, then))

    def deliver(self) -> bool:
        ready = [entry for entry in self.waiting if entry[0] not in self.holds]
        self.waiting = [entry for entry in self.waiting if entry[0] in self.holds]
        for _, work, then in ready:
            try:
                result: Any = work()
            except FarmError as error:
                result = error
            then(result)
        return bool(ready)

    def close(self) -> None:
        self.waiting.clear()
