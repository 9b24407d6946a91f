"""A replica that neither begins what is next nor gives it back loses it: no clock of a running segment covers that."""

from __future__ import annotations

import random

from farm.scheduling.audit import audit
from farm.scheduling.job_request import JobRequest
from farm.scheduling.messages import (
    Dispatch,
    FarmAction,
    FarmEvent,
    Kill,
    Progressed,
    Recall,
    ReplicaJoined,
    Started,
    Submit,
    Succeeded,
    Tick,
)
from farm.scheduling.scheduler import Scheduler
from jobs.farm_requests import PauseRequest
from jobs.farm_spec import FarmSpec
from jobs.lifecycle import JobState
from jobs.spec import Profile


class FrozenFarm:
    """Its one replica answers nothing that the test does not say."""

    def __init__(self, *, segments: int) -> None:
        self.now = 0.0
        self.scheduler = Scheduler(FarmSpec(), clock=lambda: self.now, randomness=random.Random(1))
        request = JobRequest(
            job="film", studio="north", subject="a", segment_count=segments, profile=Profile.PREVIEW
        )
        self.tell(ReplicaJoined("r0"))
        self.tasks = [action for action in self.tell(Submit(request)) if isinstance(action, Dispatch)]

    def tell(self, event: FarmEvent) -> list[FarmAction]:
        actions = self.scheduler.on(event)
        assert audit(self.scheduler.state) == []
        return actions

    def wait(self, seconds: float) -> list[FarmAction]:
        self.now += seconds
        return self.tell(Tick())


def test_a_recall_that_is_not_answered_costs_the_replica_after_the_stall_and_nobody_pays() -> None:
    farm = FrozenFarm(segments=2)
    assert len([action for action in farm.tell(PauseRequest(job="film")) if isinstance(action, Recall)]) == 2
    assert farm.wait(59.0) == []
    assert farm.wait(2.0) == [Kill("r0", "it answered no recall for 60 s")]
    job = farm.scheduler.jobs["film"]
    assert job.state is JobState.PAUSED
    assert [job.records[segment].suspicion for segment in (0, 1)] == [0, 0]


def test_the_clock_of_what_waits_behind_another_starts_when_that_one_is_over() -> None:
    farm = FrozenFarm(segments=2)
    first, _ = (task.attempt for task in farm.tasks)
    farm.tell(Started(first))
    farm.tell(PauseRequest(job="film"))
    for _ in range(4):
        farm.wait(40.0)
        farm.tell(Progressed(first))
    farm.tell(Succeeded(first, 160.0))
    assert farm.wait(59.0) == []
    assert [type(action) for action in farm.wait(2.0)] == [Kill]


def test_what_was_never_asked_back_owes_no_answer() -> None:
    farm = FrozenFarm(segments=2)
    assert farm.wait(3600.0) == []


def test_one_that_began_all_the_same_is_given_the_time_of_one_that_runs() -> None:
    farm = FrozenFarm(segments=1)
    (task,) = farm.tasks
    farm.tell(PauseRequest(job="film"))
    farm.wait(50.0)
    farm.tell(Started(task.attempt))
    assert farm.wait(50.0) == []
