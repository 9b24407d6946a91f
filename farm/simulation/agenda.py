"""A virtual clock and what is to happen when; a day of the farm passes in a second."""

from __future__ import annotations

import heapq
from collections.abc import Callable

Callback = Callable[[], None]


class Agenda:
    """Callbacks in the order of their times; those of one time in the order in which they were entered."""

    def __init__(self) -> None:
        self.now = 0.0
        self._heap: list[tuple[float, int, Callback]] = []
        self._entered = 0

    def clock(self) -> float:
        """Seconds since the start."""
        return self.now

    def after(self, seconds: float, callback: Callback) -> None:
        """Let it happen so many seconds from now; with 0 as soon as what happens now is over."""
        self._entered += 1
        heapq.heappush(self._heap, (self.now + max(seconds, 0.0), self._entered, callback))

    def step(self) -> bool:
        """Let the next thing happen; False where nothing is left."""
        if not self._heap:
            return False
        self.now, _, callback = heapq.heappop(self._heap)
        callback()
        return True
