"""What jobs with a budget have left, sorted: a cost that is learned concerns only those between the old and the new."""

from __future__ import annotations

from bisect import bisect_left, insort

from farm.scheduling.requests import CostKind


class Budgets:
    """Headrooms of jobs by the kind of their segments. Costs O(log jobs) to search, a move in a list to note."""

    def __init__(self) -> None:
        self._noted: dict[str, tuple[CostKind, float]] = {}
        self._sorted: dict[CostKind, list[tuple[float, str]]] = {}

    def __len__(self) -> int:
        return len(self._noted)

    def note(self, name: str, kind: CostKind, headroom: float) -> None:
        """The job has so much left that nothing of it needs."""
        if self._noted.get(name) == (kind, headroom):
            return
        self.drop(name)
        self._noted[name] = kind, headroom
        insort(self._sorted.setdefault(kind, []), (headroom, name))

    def drop(self, name: str) -> None:
        """The job has ended, or has no budget."""
        noted = self._noted.pop(name, None)
        if noted is not None:
            kind, headroom = noted
            listed = self._sorted[kind]
            del listed[bisect_left(listed, (headroom, name))]

    def headroom(self, name: str) -> float | None:
        """What is noted of the job; for the audit."""
        noted = self._noted.get(name)
        return noted[1] if noted is not None else None

    def between(self, kind: CostKind, before: float, after: float) -> list[str]:
        """Jobs that can pay one of the two costs of a segment and not the other."""
        listed = self._sorted.get(kind, [])
        low, high = sorted((before, after))
        # Who has exactly the cost can pay it, and an empty name sorts before every other.
        return [name for _, name in listed[bisect_left(listed, (low, "")) : bisect_left(listed, (high, ""))]]
