"""What a segment costs, from what segments of its kind have cost, and which jobs can pay for one."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque
from dataclasses import dataclass, field

from jobs.spec import Profile

# The newest measurement counts for a fifth: a change shows after some ten segments, one odd segment hardly.
_NEWEST = 0.2
_REMEMBERED = 256
# Seconds. What takes no time would have no share, and nothing can be counted in segments of it.
_LEAST = 0.001


@dataclass(slots=True)
class CostTable:
    """Moving averages and recent percentiles of seconds, by profile: segments of one cost about the same.

    Attributes:
        first_cost: The estimate for a kind that was never measured.
    """

    first_cost: float
    _average: dict[Profile, float] = field(default_factory=dict)
    _recent: dict[Profile, deque[float]] = field(default_factory=dict)
    _ordered: dict[Profile, list[float]] = field(default_factory=dict)

    def estimate(self, kind: Profile) -> float:
        """Seconds that one segment of the kind is expected to take."""
        return self._average.get(kind, self.first_cost)

    def has_measured(self, kind: Profile) -> bool:
        """The estimate is made of measurements."""
        return kind in self._average

    def add(self, kind: Profile, seconds: float) -> None:
        """Take in one measurement."""
        seconds = max(seconds, _LEAST)
        known = self._average.get(kind)
        self._average[kind] = seconds if known is None else known + _NEWEST * (seconds - known)
        recent, ordered = self._recent.setdefault(kind, deque()), self._ordered.setdefault(kind, [])
        recent.append(seconds)
        insort(ordered, seconds)
        if len(recent) > _REMEMBERED:
            del ordered[bisect_left(ordered, recent.popleft())]

    def percentile_95(self, kind: Profile, *, at_least: int) -> float | None:
        """The 95th percentile of recent seconds, or None with fewer than so many measurements."""
        ordered = self._ordered.get(kind, [])
        if len(ordered) < at_least:
            return None
        return ordered[min(int(0.95 * len(ordered)), len(ordered) - 1)]


class Budgets:
    """Headrooms of jobs by the kind of their segments. Costs O(log jobs) to search, a move in a list to note."""

    def __init__(self) -> None:
        self._noted: dict[str, tuple[Profile, float]] = {}
        self._sorted: dict[Profile, list[tuple[float, str]]] = {}

    def __len__(self) -> int:
        return len(self._noted)

    def note(self, name: str, kind: Profile, headroom: float) -> None:
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

    def between(self, kind: Profile, before: float, after: float) -> list[str]:
        """Jobs that can pay one of the two costs of a segment and not the other."""
        listed = self._sorted.get(kind, [])
        low, high = sorted((before, after))
        # Who has exactly the cost can pay it, and an empty name sorts before every other.
        return [name for _, name in listed[bisect_left(listed, (low, "")) : bisect_left(listed, (high, ""))]]
