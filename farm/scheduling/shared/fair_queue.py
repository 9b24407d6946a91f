"""Start-time fair queuing (Goyal, Vin and Cheng, 1996): whoever has been served least for its weight is first.

Everybody in the queue has a virtual time that grows by cost / weight with each service. Who joins starts at the
queue's own time, the virtual time of whom it served last, so nobody saves up a claim while away.
"""

from __future__ import annotations

import heapq


class FairQueue:
    """Names in the order of their virtual times; among equals whoever joined last is first, and starts soon.

    Every operation takes O(log n): entries of the heap that no longer hold are skipped when they surface.
    """

    def __init__(self) -> None:
        self.time = 0.0
        self._virtual: dict[str, float] = {}
        self._weights: dict[str, float] = {}
        self._present: dict[str, int] = {}
        self._heap: list[tuple[float, int, str]] = []
        self._joined = 0

    def __contains__(self, name: str) -> bool:
        return name in self._present

    def __len__(self) -> int:
        return len(self._present)

    def know(self, name: str, *, weight: float) -> None:
        """Open an account: the name may be served, and is charged, whether or not it is in the queue."""
        if name not in self._virtual:
            self._weights[name] = weight
            self._virtual[name] = self.time

    def join(self, name: str) -> None:
        """Enter the queue; nothing happens to who is in it. The name must be known."""
        if name in self._present:
            return
        self._virtual[name] = max(self._virtual[name], self.time)
        self._joined += 1
        self._present[name] = self._joined
        self._push(name)

    def leave(self, name: str) -> None:
        """Leave the queue, not the account: who comes back still owes what was served."""
        self._present.pop(name, None)

    def forget(self, name: str) -> None:
        """Leave for good."""
        self.leave(name)
        self._virtual.pop(name, None)
        self._weights.pop(name, None)

    def first(self) -> str | None:
        """Whose turn it is."""
        while self._heap:
            virtual, joined, name = self._heap[0]
            if self._present.get(name) == -joined and self._virtual[name] == virtual:
                return name
            heapq.heappop(self._heap)
        return None

    def serve(self, name: str, cost: float) -> None:
        """Charge a service that starts now."""
        first = self.first()
        self.time = max(self.time, self._virtual[first if first is not None else name])
        self.charge(name, cost)

    def charge(self, name: str, cost: float) -> None:
        """Correct the account; a negative cost gives back."""
        if name in self._virtual:
            self._virtual[name] += cost / self._weights[name]
            if name in self._present:
                self._push(name)

    def virtual_time(self, name: str) -> float:
        """What has been served for the name, divided by its weight."""
        return self._virtual.get(name, self.time)

    def lead(self, name: str) -> float:
        """Cost by which the name has been served ahead of whose turn it is; negative where it is behind."""
        first = self.first()
        if first is None or name not in self._virtual:
            return 0.0
        return (self._virtual[name] - self._virtual[first]) * self._weights[name]

    def _push(self, name: str) -> None:
        heapq.heappush(self._heap, (self._virtual[name], -self._present[name], name))
        if len(self._heap) > 64 + 4 * len(self._present):
            self._heap = [
                (self._virtual[present], -joined, present) for present, joined in self._present.items()
            ]
            heapq.heapify(self._heap)
