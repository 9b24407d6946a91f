"""A shared farm whose replicas do what a test says, when it says so; every invariant is checked after each event."""

from __future__ import annotations

import random
from typing import Any

from farm.scheduling.audit import audit
from farm.scheduling.job import JobEntry
from farm.scheduling.job_request import JobRequest
from farm.scheduling.messages import (
    AttemptFailed,
    Dispatch,
    FarmAction,
    FarmEvent,
    Kill,
    Recall,
    Recalled,
    Recycle,
    ReplicaGone,
    ReplicaJoined,
    Restore,
    Retire,
    Started,
    Stop,
    Stopped,
    Submit,
    Succeeded,
    Tick,
)
from farm.scheduling.scheduler import Scheduler
from farm.scheduling.state import Moved
from jobs.errors import FarmError, InfrastructureError, InputError, SegmentFailed, StoreUnavailable
from jobs.farm_spec import FarmPool, FarmSpec, Studio
from jobs.lifecycle import AttemptState
from jobs.reasons import Reason, ReasonKind
from jobs.spec import Profile

OUTPUT = SegmentFailed("it is black")
PERMANENT = InputError("it is black")
STORAGE = StoreUnavailable("it does not answer")
INFRASTRUCTURE = InfrastructureError("out of memory")
ON_HOLD = Reason(ReasonKind.USER, "it was submitted on hold")


def job_request(job: str, *, segments: int, studio: str, **request: Any) -> JobRequest:
    request = {"subject": "actor-a", "profile": Profile.PREVIEW, **request}
    return JobRequest(job=job, studio=studio, segment_count=segments, **request)


class HandDrivenFarm:
    """Recalls are answered at once, as a real replica does for what has not begun; stops are left to the test."""

    def __init__(
        self,
        *,
        replicas: int = 1,
        studios: dict[str, Studio] | None = None,
        patience: float = 900.0,
        **pool: Any,
    ) -> None:
        self.now = 0.0
        self.actions: list[FarmAction] = []
        self.moves: list[Moved] = []
        self.waiting: dict[str, list[Dispatch]] = {}
        self.scheduler = Scheduler(
            FarmSpec(pool=FarmPool(**pool), studios=studios or {}, patience=patience),
            clock=lambda: self.now,
            randomness=random.Random(1),
            record=self.moves.append,
        )
        for number in range(replicas):
            self.join(f"r{number}")

    def tell(self, event: FarmEvent) -> list[FarmAction]:
        actions = self.scheduler.on(event)
        assert audit(self.scheduler.state) == []
        self.actions += actions
        for action in actions:
            if isinstance(action, Dispatch):
                self.waiting[action.replica].append(action)
            elif isinstance(action, Recall):
                self.waiting[action.replica] = [
                    task for task in self.waiting[action.replica] if task.attempt != action.attempt
                ]
                self.tell(Recalled(action.attempt))
            elif isinstance(action, (Kill, Retire, Recycle)):
                del self.waiting[action.replica]
        return actions

    def join(self, name: str) -> None:
        self.waiting[name] = []
        self.tell(ReplicaJoined(name))

    def submit(self, job: str, *, segments: int = 4, studio: str = "north", **request: Any) -> None:
        self.tell(Submit(job_request(job, segments=segments, studio=studio, **request)))

    def restore(self, job: str, *, segments: int = 4, studio: str = "north", **request: Any) -> None:
        self.tell(Restore(job_request(job, segments=segments, studio=studio, **request)))

    def held(self, replica: str = "r0") -> list[tuple[str, int]]:
        """What the replica has, in the order in which it will be drawn."""
        return [(task.job, task.segment) for task in self.waiting[replica]]

    def begin(self, replica: str = "r0") -> Dispatch:
        task = self.waiting[replica][0]
        attempt = self.scheduler.state.attempts[task.attempt]
        if attempt.state is AttemptState.DISPATCHED:
            self.tell(Started(task.attempt))
        return task

    def succeed(self, replica: str = "r0", *, seconds: float = 10.0) -> Dispatch:
        task = self.begin(replica)
        self.now += seconds
        self.waiting[replica].remove(task)
        self.tell(Succeeded(task.attempt, seconds))
        return task

    def fail(self, replica: str = "r0", error: FarmError = OUTPUT) -> Dispatch:
        task = self.begin(replica)
        self.waiting[replica].remove(task)
        self.tell(AttemptFailed(task.attempt, error, 1.0))
        return task

    def stop(self, replica: str = "r0") -> Dispatch:
        task = self.waiting[replica].pop(0)
        self.tell(Stopped(task.attempt))
        return task

    def lose(self, replica: str = "r0", *, explained: bool = False, running: bool = True) -> None:
        if running and self.waiting[replica]:
            self.begin(replica)
        del self.waiting[replica]
        self.tell(ReplicaGone(replica, explained))

    def wait(self, seconds: float) -> None:
        self.now += seconds
        self.tell(Tick())

    def job(self, name: str) -> JobEntry:
        return self.scheduler.jobs[name]

    def took(self, kind: type[FarmAction]) -> list[FarmAction]:
        return [action for action in self.actions if isinstance(action, kind)]

    def stops(self) -> list[Stop]:
        return [action for action in self.actions if isinstance(action, Stop)]
