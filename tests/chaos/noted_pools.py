"""Pools that note what goes through them and when: which replica holds what, what was dispatched, what ended."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from farm.config import PoolSizes
from farm.execution.calls import ReplicaSetup
from farm.execution.pools.backend import PoolBackend
from farm.execution.pools.messages import (
    Began,
    Finished,
    Gone,
    Joined,
    PoolEvent,
    Refused,
    StoppedAsAsked,
    TakenBack,
    Task,
)
from farm.scheduling.units import Stage, Unit

Work = tuple[str, Unit]
"""A job and one of its units."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dispatched:
    """A task went to a replica, at this second of the monotonic clock."""

    at: float
    replica: str
    work: Work


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """A task was worked on, from the second at which it began to that at which its end was heard of."""

    began: float
    ended: float
    seconds: float
    work: Work


@dataclass(frozen=True, slots=True)
class Hit:
    """A replica that could be struck now: what it runs, and its process."""

    replica: str
    pid: int
    work: Work | None


class NotedPools:
    """A `PoolBackend` around another one. Notes may be read from any thread.

    Attributes:
        on_segment: Is told how many segments are finished, whenever that changes.
        dispatched: Every task that was submitted.
        done: Every task that was finished.
        gone: Every replica that ended by itself.
        copies: Dispatches of what another replica held still, which only double a slow lease.
        strikes: Replicas without an explanation that were lost while they ran a unit.
        pids: The process of every replica that ever joined.
    """

    def __init__(self, pools: PoolBackend) -> None:
        self._pools = pools
        self.on_segment: Callable[[int], None] = lambda _: None
        self._lock = threading.Lock()
        self._work: dict[str, Work] = {}
        self._held: dict[str, deque[str]] = {}
        self._began: dict[str, float] = {}
        self.dispatched: list[Dispatched] = []
        self.done: list[Done] = []
        self.gone: list[Gone] = []
        self.copies = 0
        self.strikes: dict[Work, int] = {}
        self.pids: dict[str, int] = {}

    def start(self, pools: PoolSizes, *, warm: ReplicaSetup | None = None) -> int:
        return self._pools.start(pools, warm=warm)

    def submit(self, replica: str, task: Task) -> None:
        with self._lock:
            work = (task.job, task.unit)
            held = (self._work[key] for keys in self._held.values() for key in keys)
            self.copies += work in held
            self._work[task.key] = work
            if replica in self._held:
                self._held[replica].append(task.key)
            self.dispatched.append(Dispatched(at=time.monotonic(), replica=replica, work=work))
        self._pools.submit(replica, task)

    def recall(self, key: str) -> None:
        self._pools.recall(key)

    def stop(self, key: str) -> None:
        self._pools.stop(key)

    def kill(self, replica: str) -> None:
        self._forget(replica)
        self._pools.kill(replica)

    def retire(self, replica: str) -> None:
        self._forget(replica)
        self._pools.retire(replica)

    def wait(self, *, timeout_s: float) -> Sequence[PoolEvent]:
        happened = self._pools.wait(timeout_s=timeout_s)
        for event in happened:
            with self._lock:
                self._note(event)
        if any(isinstance(event, Finished) for event in happened):
            self.on_segment(self.segments_done())
        return happened

    def close(self) -> None:
        self._pools.close()

    def segments_done(self) -> int:
        """Segments that were finished so far, those that were rendered twice included."""
        return sum(done.work[1].stage is Stage.RENDER for done in self.done)

    def living(self) -> list[Hit]:
        """Every replica that is there, by name."""
        with self._lock:
            return [
                Hit(replica, self.pids[replica], self._running(replica)) for replica in sorted(self._held)
            ]

    def begun_at(self, work: Work) -> float | None:
        """When a unit that has not ended was begun last."""
        with self._lock:
            return next((at for key, at in self._began.items() if self._work[key] == work), None)

    def dispatched_again(self, work: Work, *, after: float) -> Dispatched | None:
        """The first dispatch of the unit since a moment."""
        with self._lock:
            return next((each for each in self.dispatched if each.work == work and each.at > after), None)

    def _running(self, replica: str) -> Work | None:
        running = [key for key in self._held[replica] if key in self._began]
        return self._work[running[0]] if running else None

    def _note(self, event: PoolEvent) -> None:
        if isinstance(event, Joined):
            self.pids[event.replica] = event.facts.pid
            self._held[event.replica] = deque()
        elif isinstance(event, Gone):
            self.gone.append(event)
            if event.tasks and event.tasks[0] in self._began and not event.explained:
                work = self._work[event.tasks[0]]
                self.strikes[work] = self.strikes.get(work, 0) + 1
            for key in event.tasks:
                self._began.pop(key, None)
            self._held.pop(event.replica, None)
        elif isinstance(event, Began):
            self._began[event.key] = time.monotonic()
        elif isinstance(event, (Finished, Refused, TakenBack, StoppedAsAsked)):
            began = self._began.pop(event.key, None)
            for held in self._held.values():
                if event.key in held:
                    held.remove(event.key)
            if isinstance(event, Finished) and began is not None:
                self.done.append(
                    Done(
                        began=began,
                        ended=time.monotonic(),
                        seconds=event.seconds,
                        work=self._work[event.key],
                    )
                )

    def _forget(self, replica: str) -> None:
        with self._lock:
            for key in self._held.pop(replica, ()):
                self._began.pop(key, None)
