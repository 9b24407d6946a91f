"""Start-time fair queuing (Goyal, Vin and Cheng, 1996): whoever has been served least for its weight is first.

Everybody in the queue has a virtual time that grows by cost / weight with each service. Who joins starts at the
queue's own time, the virtual time of whom it served last, so nobody saves up a claim while away.

Added to it: a first service moves the queue's time on, by what it costs everybody there. Otherwise all who come new
would start where the first of them did, and as long as one of them waits nobody older would ever be served.

And: services are charged by estimate. Who waits and is found where its last service began, or before, was charged too
much for those before it; the queue's time may have gone on by that. Then that goes back, and with it all who joined
since, by what those who were there before were charged too much on the whole, by weight. Without it a wrong guess would
give whoever was charged by it the replicas alone, until it has caught up with those who came while the guess stood.
"""

from __future__ import annotations

import heapq
import math
from dataclasses import dataclass

Key = tuple[float, bool, int]
"""Virtual time, whether it was served before, and its place among all that ever came: sorts by whose turn it is."""

# What was charged and is given back leaves a trace in the last digits; times closer than this are the same.
_DIGITS = 6


@dataclass(slots=True)
class _Account:
    """What one name was served.

    Attributes:
        virtual: Cost by weight.
        joined: The queue's time at which its own began, as far as that holds still.
        start: Its virtual time when it was served last, as far as that holds still.
        services: Those that were not given back.
    """

    weight: float
    number: int
    virtual: float
    joined: float
    start: float
    services: int = 0
    key: Key = (0.0, False, 0)

    def __post_init__(self) -> None:
        self.key = self.key_with(0.0, services=0)

    def key_with(self, cost: float, *, services: int) -> Key:
        """Its key with more of both."""
        return round(self.virtual + cost / self.weight, _DIGITS), self.services + services > 0, self.number


class FairQueue:
    """Names in the order of their virtual times; among equals who was never served is first, and then who came first.

    Every operation takes O(log n); a first service, and a correction that may move the queue's time, O(n). Entries of
    the heap that no longer hold are skipped when they surface.
    """

    def __init__(self) -> None:
        self.time = 0.0
        self._accounts: dict[str, _Account] = {}
        self._present: set[str] = set()
        self._heap: list[tuple[Key, str]] = []
        self._known = 0

    def __contains__(self, name: str) -> bool:
        return name in self._present

    def __len__(self) -> int:
        return len(self._present)

    def has_others(self, name: str) -> bool:
        """Somebody else waits, so that what the name is served elsewhere is at the cost of others."""
        return len(self._present) > (name in self._present)

    def know(self, name: str, *, weight: float) -> None:
        """Open an account: the name may be served, and is charged, whether or not it is in the queue."""
        if name not in self._accounts:
            self._known += 1
            self._accounts[name] = _Account(weight, self._known, *3 * (self.time,))

    def join(self, name: str) -> None:
        """Enter the queue; nothing happens to who is in it. The name must be known."""
        if name in self._present:
            return
        account = self._accounts[name]
        if account.virtual < self.time:
            account.virtual = account.joined = self.time
        self._present.add(name)
        self._place(name, account)

    def leave(self, name: str) -> None:
        """Leave the queue, not the account: who comes back still owes what was served."""
        if name in self._present:
            self._present.discard(name)

    def forget(self, name: str) -> None:
        """Leave for good."""
        self.leave(name)
        self._accounts.pop(name, None)

    def first(self) -> str | None:
        """Whose turn it is."""
        while self._heap:
            key, name = self._heap[0]
            if name in self._present and self._accounts[name].key == key:
                return name
            heapq.heappop(self._heap)
        return None

    def key(self, name: str, *, less: float = 0.0) -> Key:
        """Where a known name stands, or would if a service of that cost were given back."""
        account = self._accounts[name]
        return account.key_with(-less, services=-1) if less else account.key

    def serve(self, name: str, cost: float) -> None:
        """Charge a service that starts now."""
        first, account = self.first(), self._accounts[name]
        self.time = max(self.time, self._accounts[first if first is not None else name].virtual)
        account.services += 1
        account.start = account.virtual
        self.charge(name, cost)
        if account.services == 1:
            self._move_on(name, cost)

    def charge(self, name: str, cost: float) -> None:
        """Correct the account; a negative cost gives back a part."""
        account = self._accounts.get(name)
        if account is not None:
            account.virtual += cost / account.weight
            self._place(name, account)
            if account.virtual < account.start - 10**-_DIGITS:
                account.start = account.virtual
                if name in self._present:
                    self._go_back()

    def give_back(self, name: str, cost: float) -> None:
        """A service that was charged so came to nothing."""
        if name in self._accounts:
            self._accounts[name].services -= 1
            self.charge(name, -cost)

    def lead(self, name: str) -> float:
        """Cost by which the name has been served ahead of whose turn it is; negative where it is behind."""
        first = self.first()
        if first is None or name not in self._accounts:
            return 0.0
        account = self._accounts[name]
        return (account.virtual - self._accounts[first].virtual) * account.weight

    def _move_on(self, name: str, cost: float) -> None:
        """After a first service, but not further than whoever is first will be once it is served again.

        So who comes then waits for no more than that one service.
        """
        first = self.first()
        if first is None or self._present == {name}:
            return
        account = self._accounts[first]
        limit = account.virtual + cost / account.weight
        # Added up anew: a sum that is kept would lose the light ones while a heavy one is there.
        present = math.fsum(self._accounts[other].weight for other in self._present)
        self.time = max(self.time, min(self.time + cost / present, limit))

    def _go_back(self) -> None:
        """Somebody was charged too much before its last service."""
        level = self._level_of_the_older()
        if level >= self.time:
            return
        self.time = level
        for name, account in self._accounts.items():
            if account.joined > level:
                account.virtual = max(account.virtual - (account.joined - level), level)
                account.start = min(account.start, account.virtual)
                account.joined = level
                self._place(name, account)

    def _level_of_the_older(self) -> float:
        """Where those who wait and joined before the time of whoever is first are on the whole, by weight."""
        accounts = [self._accounts[name] for name in self._present]
        first = min(account.virtual for account in accounts)
        older = [account for account in accounts if account.joined <= first]
        weight = math.fsum(account.weight for account in older)
        if not weight:
            return first
        mean = math.fsum(account.weight * min(account.virtual, self.time) for account in older) / weight
        return max(first, mean)

    def _place(self, name: str, account: _Account) -> None:
        account.key = account.key_with(0.0, services=0)
        if name not in self._present:
            return
        heapq.heappush(self._heap, (account.key, name))
        if len(self._heap) > 64 + 4 * len(self._present):
            self._heap = [(self._accounts[present].key, present) for present in self._present]
            heapq.heapify(self._heap)
