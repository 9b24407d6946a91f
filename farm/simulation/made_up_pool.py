"""Replicas that only pretend: they take their time, fail as the scenario says, and answer as real ones would."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from farm.scheduling.messages import (
    AttemptFailed,
    AttemptId,
    Delivered,
    Dispatch,
    FarmAction,
    FarmEvent,
    Finish,
    FinishFailed,
    FinishStopped,
    Kill,
    Progressed,
    Recall,
    Recalled,
    Recycle,
    ReplicaGone,
    ReplicaJoined,
    Retire,
    Started,
    Stitched,
    Stop,
    StopFinish,
    Stopped,
    Succeeded,
)
from farm.simulation.agenda import Agenda
from farm.simulation.fates import Fate, Lot, draw_lot
from farm.simulation.spans import BusySpan, SpanEnd
from jobs.errors import DiskFull, FarmError, InputError, SegmentFailed, StoreUnavailable
from jobs.simulation_spec import SimulatedFaults, SimulatedJob, SimulatedPool

_FAILURES: Mapping[Fate, FarmError] = {
    Fate.OUTPUT: SegmentFailed("it did not pass its check"),
    Fate.STORAGE: StoreUnavailable("the store does not answer"),
    Fate.PERMANENT: InputError("it cannot be used"),
}


@dataclass(slots=True)
class MadeUpReplica:
    """One replica: what waits on it, what it runs since when, and the subject it has loaded."""

    name: str
    waiting: dict[AttemptId, Dispatch] = field(default_factory=dict)
    running: Dispatch | None = None
    since: float = 0.0
    loading: float = 0.0
    loaded: str | None = None
    hangs: bool = False


class MadeUpPool:
    """The world outside the scheduler: replicas, the store and the stitcher.

    Attributes:
        committed: Segments in the store.
        spans: Every try that began and is over.
        cold_loads: Tries that had to load their subject first.
        started: Tries that began.
    """

    def __init__(
        self,
        pool: SimulatedPool,
        *,
        faults: SimulatedFaults,
        agenda: Agenda,
        chance: random.Random,
        tell: Callable[[FarmEvent], None],
        jobs: Mapping[str, SimulatedJob],
    ) -> None:
        """Args: tell: takes every answer, when it happens; jobs: by the name they were submitted under."""
        self._pool = pool
        self.faults = faults
        self._agenda = agenda
        self._chance = chance
        self._tell = tell
        self._jobs = jobs
        self._joined = 0
        self._finishing: dict[str, int] = {}
        self._finishes = 0
        self.replicas: dict[str, MadeUpReplica] = {}
        self.committed: set[tuple[str, int]] = set()
        self.spans: list[BusySpan] = []
        self.cold_loads = 0
        self.started = 0

    def join(self) -> None:
        """A new replica is there."""
        self._joined += 1
        replica = MadeUpReplica(name=f"replica-{self._joined}")
        self.replicas[replica.name] = replica
        self._tell(ReplicaJoined(replica.name))

    def carry_out(self, action: FarmAction) -> None:
        """Do what the scheduler wants; the answers come later, through the agenda."""
        if isinstance(action, Dispatch):
            replica = self.replicas[action.replica]
            replica.waiting[action.attempt] = action
            self._go_on(replica)
        elif isinstance(action, Recall):
            self._take_back(action.replica, action.attempt, Recalled(action.attempt))
        elif isinstance(action, Stop):
            self._stop(action)
        elif isinstance(action, (Kill, Retire, Recycle)):
            self.lose(action.replica)
        elif isinstance(action, Finish):
            self._finish(action.job)
        elif isinstance(action, StopFinish):
            self._finishing.pop(action.job, None)
            self._agenda.after(0, lambda: self._tell(FinishStopped(action.job)))

    def lose(self, name: str) -> bool:
        """The replica is gone, and another takes its place after a while; False where it was gone already."""
        replica = self.replicas.pop(name, None)
        if replica is None:
            return False
        self._close_span(replica, SpanEnd.LOST)
        self._agenda.after(self._pool.start, self.join)
        return True

    def crash(self, name: str, *, explained: bool = False) -> None:
        """The replica dies, and the scheduler hears of it."""
        if self.lose(name):
            self._tell(ReplicaGone(name, explained))

    def fail_to_finish(self, job: str) -> None:
        """The master cannot be joined or delivered, if it is being so."""
        if self._finishing.pop(job, None) is not None:
            self._tell(FinishFailed(job, DiskFull("no space is left")))

    def _go_on(self, replica: MadeUpReplica) -> None:
        if replica.running is not None or not replica.waiting:
            return
        task = replica.waiting.pop(next(iter(replica.waiting)))
        job = self._jobs[task.job]
        replica.running, replica.since = task, self._agenda.now
        replica.loading = 0.0 if replica.loaded == job.subject else self._pool.load
        self.started += 1
        self.cold_loads += replica.loaded != job.subject
        replica.loaded = job.subject
        lot = draw_lot(job, task.segment, faults=self.faults, now=self._agenda.now, chance=self._chance)
        replica.hangs = lot.fate is Fate.HANG
        self._agenda.after(0, lambda: self._tell(Started(task.attempt)))
        if not replica.hangs:
            self._agenda.after(replica.loading + lot.seconds, lambda: self._end(replica, task, lot))
            self._report(replica, task)

    def _report(self, replica: MadeUpReplica, task: Dispatch) -> None:
        """Tell of progress often enough not to be taken for one that hangs."""

        def progress() -> None:
            if self._is_at(replica, task):
                self._tell(Progressed(task.attempt))
                self._report(replica, task)

        self._agenda.after(self._pool.stall / 2, progress)

    def _end(self, replica: MadeUpReplica, task: Dispatch, lot: Lot) -> None:
        if not self._is_at(replica, task):
            return
        seconds = self._agenda.now - replica.since
        if lot.fate is Fate.CRASH:
            if lot.commits_first:
                self.committed.add((task.job, task.segment))
            self.crash(replica.name)
            return
        if lot.fate is Fate.COMMIT:
            place = task.job, task.segment
            end = SpanEnd.REPEATED if place in self.committed else SpanEnd.COMMITTED
            self.committed.add(place)
            answer: FarmEvent = Succeeded(task.attempt, seconds)
        else:
            end = SpanEnd.FAILED
            answer = AttemptFailed(task.attempt, _FAILURES[lot.fate], seconds)
        self._close_span(replica, end)
        self._tell(answer)
        self._go_on(replica)

    def _stop(self, action: Stop) -> None:
        replica = self.replicas.get(action.replica)
        if replica is None:
            return
        if replica.running is not None and replica.running.attempt == action.attempt:
            if not replica.hangs:
                self._close_span(replica, SpanEnd.STOPPED)
                self._agenda.after(0, lambda: self._tell(Stopped(action.attempt)))
                self._go_on(replica)
        else:
            self._take_back(action.replica, action.attempt, Stopped(action.attempt))

    def _take_back(self, name: str, attempt: AttemptId, answer: FarmEvent) -> None:
        replica = self.replicas.get(name)
        if replica is not None and replica.waiting.pop(attempt, None) is not None:
            self._agenda.after(0, lambda: self._tell(answer))

    def _finish(self, job: str) -> None:
        self._finishes += 1
        turn = self._finishing[job] = self._finishes

        def deliver() -> None:
            if self._finishing.get(job) == turn:
                del self._finishing[job]
                self._tell(Delivered(job))

        def stitch() -> None:
            if self._finishing.get(job) == turn:
                self._tell(Stitched(job))
                self._agenda.after(self._pool.stitch / 2, deliver)

        self._agenda.after(self._pool.stitch / 2, stitch)

    def _is_at(self, replica: MadeUpReplica, task: Dispatch) -> bool:
        return self.replicas.get(replica.name) is replica and replica.running is task

    def _close_span(self, replica: MadeUpReplica, end: SpanEnd) -> None:
        task, replica.running, replica.hangs = replica.running, None, False
        if task is not None:
            self.spans.append(
                BusySpan(
                    replica=replica.name,
                    job=task.job,
                    studio=self._jobs[task.job].studio,
                    segment=task.segment,
                    start=replica.since,
                    stop=self._agenda.now,
                    loading=min(replica.loading, self._agenda.now - replica.since),
                    end=end,
                )
            )
