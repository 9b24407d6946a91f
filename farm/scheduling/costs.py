"""What a segment costs, from what segments of its kind have cost."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque
from dataclasses import dataclass, field

from farm.scheduling.requests import CostKind

# The newest measurement counts for a fifth: a change shows after some ten segments, one odd segment hardly.
_NEWEST = 0.2
_REMEMBERED = 256
# Seconds. What takes no time would have no share, and nothing can be counted in segments of it.
_LEAST = 0.001


@dataclass(slots=True)
class CostTable:
    """Moving averages and recent percentiles of seconds, by stage and profile.

    Attributes:
        first_cost: The estimate for a kind that was never measured.
    """

    first_cost: float
    _average: dict[CostKind, float] = field(default_factory=dict)
    _recent: dict[CostKind, deque[float]] = field(default_factory=dict)
    _ordered: dict[CostKind, list[float]] = field(default_factory=dict)

    def estimate(self, kind: CostKind) -> float:
        """Seconds that one segment of the kind is expected to take."""
        return self._average.get(kind, self.first_cost)

    def add(self, kind: CostKind, seconds: float) -> None:
        """Take in one measurement."""
        seconds = max(seconds, _LEAST)
        known = self._average.get(kind)
        self._average[kind] = seconds if known is None else known + _NEWEST * (seconds - known)
        recent, ordered = self._recent.setdefault(kind, deque()), self._ordered.setdefault(kind, [])
        recent.append(seconds)
        insort(ordered, seconds)
        if len(recent) > _REMEMBERED:
            del ordered[bisect_left(ordered, recent.popleft())]

    def percentile_95(self, kind: CostKind, *, at_least: int) -> float | None:
        """The 95th percentile of recent seconds, or None with fewer than so many measurements."""
        ordered = self._ordered.get(kind, [])
        if len(ordered) < at_least:
            return None
        return ordered[min(int(0.95 * len(ordered)), len(ordered) - 1)]
