"""Jobs in one piece and renders go by the same shares, each in pools of its own; on a clock of the test's own."""

from __future__ import annotations

import heapq
import random
from collections import Counter

import pytest

from farm.scheduling.job_request import JobRequest
from farm.scheduling.messages import (
    AttemptId,
    Dispatch,
    FarmEvent,
    Finish,
    Kill,
    Recall,
    Recalled,
    ReplicaGone,
    ReplicaJoined,
    Started,
    Stop,
    Stopped,
    Submit,
    Succeeded,
    Tick,
)
from farm.scheduling.scheduler import Scheduler
from farm.scheduling.units import Stage
from jobs.farm_requests import CancelRequest, PauseRequest, ResumeRequest
from jobs.farm_spec import FarmPool, FarmSpec, Studio
from jobs.lifecycle import JobState
from jobs.spec import Profile


class PoolsOnAClock:
    """Renderers and replicas for jobs in one piece that take as long as the test says."""

    def __init__(self, weights: dict[str, float], *, renderers: int = 2, seconds: float = 1.0) -> None:
        self.now = 0.0
        rules = FarmSpec(
            studios={name: Studio(weight=weight) for name, weight in weights.items()},
            pool=FarmPool(first_cost=1.0, whole_stall=1e6),
        )
        self.scheduler = Scheduler(rules, clock=lambda: self.now, randomness=random.Random(1))
        self.seconds, self.lengths = seconds, dict[str, float]()
        self.served: Counter[str] = Counter()
        self.running: dict[str, list[tuple[AttemptId, str]]] = {}
        self.ends: list[tuple[float, int, str]] = []
        self.killed: list[str] = []
        for number in range(renderers):
            self.join(f"render-{number}", Stage.RENDER)

    def join(self, replica: str, stage: Stage) -> None:
        self.running[replica] = []
        self.tell(ReplicaJoined(replica, stage))

    def submit(
        self, job: str, studio: str, *, stage: Stage = Stage.RENDER, segments: int = 1, seconds: float = 0.0
    ) -> None:
        self.lengths[job] = seconds or self.seconds
        self.tell(
            Submit(
                JobRequest(
                    job=job,
                    studio=studio,
                    subject=job,
                    segment_count=segments,
                    profile=Profile.FULL,
                    stage=stage,
                    max_replicas=None if stage is Stage.RENDER else 1,
                )
            )
        )

    def tell(self, event: FarmEvent) -> None:
        for action in self.scheduler.on(event):
            if isinstance(action, Dispatch):
                held = self.running[action.replica]
                held.append((action.attempt, action.job))
                if len(held) == 1:
                    self.begin(action.replica)
            elif isinstance(action, Stop):
                self.leave(action.replica, action.attempt, Stopped(action.attempt))
            elif isinstance(action, Recall):
                if self.running[action.replica][0][0] != action.attempt:
                    self.leave(action.replica, action.attempt, Recalled(action.attempt))
            elif isinstance(action, Kill):
                self.killed.append(action.replica)
            else:
                assert isinstance(action, Finish), action

    def begin(self, replica: str) -> None:
        attempt, job = self.running[replica][0]
        self.tell(Started(attempt))
        heapq.heappush(self.ends, (self.now + self.lengths[job], attempt.number, replica))

    def leave(self, replica: str, attempt: AttemptId, event: FarmEvent) -> None:
        held = self.running[replica]
        was_first = held[0][0] == attempt
        held[:] = [each for each in held if each[0] != attempt]
        self.tell(event)
        if was_first and held:
            self.begin(replica)

    def pass_time(self, seconds: float) -> None:
        until = self.now + seconds
        while self.now < until:
            self.now = min(until, int(self.now) + 1.0)
            while self.ends and self.ends[0][0] <= self.now:
                _, number, replica = heapq.heappop(self.ends)
                held = self.running.get(replica, [])
                if held and held[0][0].number == number:
                    attempt, job = held[0]
                    self.served[self.scheduler.jobs[job].request.studio] += self.lengths[job]
                    self.leave(replica, attempt, Succeeded(attempt, self.lengths[job]))
            self.tell(Tick())
        assert self.scheduler.violations() == []


@pytest.mark.parametrize("weights", [(1.0, 1.0), (3.0, 2.0), (1.0, 2.0)])
def test_what_a_training_takes_is_paid_for_in_the_line_of_the_renders(weights: tuple[float, float]) -> None:
    farm = PoolsOnAClock(dict(zip(("north", "south"), weights, strict=True)))
    for stage in (Stage.TRAINING, Stage.PREPARATION, Stage.EVALUATION):
        farm.join(f"{stage}-1", stage)
    farm.submit("film", "north", segments=500)
    farm.submit("reel", "south", segments=500)
    farm.submit("network", "north", stage=Stage.TRAINING, seconds=190.0)
    farm.submit("jane", "south", stage=Stage.PREPARATION, seconds=20.0)
    farm.submit("table", "south", stage=Stage.EVALUATION, seconds=40.0)
    farm.pass_time(200.0)
    share = farm.served["north"] / farm.served.total()
    assert share == pytest.approx(weights[0] / sum(weights), abs=0.05)


def test_nobody_pays_for_a_training_while_nobody_else_waits() -> None:
    farm = PoolsOnAClock({"north": 1.0, "south": 1.0})
    farm.join("training-1", Stage.TRAINING)
    farm.submit("film", "north", segments=2000)
    farm.submit("network", "north", stage=Stage.TRAINING, seconds=300.0)
    farm.pass_time(310.0)
    before = farm.served["north"]
    farm.submit("reel", "south", segments=2000)
    farm.pass_time(60.0)
    assert (farm.served["north"] - before) / 120.0 == pytest.approx(0.5, abs=0.05)


def test_pools_have_lines_of_their_own() -> None:
    farm = PoolsOnAClock({"north": 1.0})
    farm.submit("network", "north", stage=Stage.TRAINING)
    farm.submit("film", "north")
    farm.pass_time(5.0)
    assert farm.scheduler.jobs["film"].state is JobState.STITCHING
    assert farm.scheduler.jobs["network"].state is JobState.QUEUED
    farm.join("training-1", Stage.TRAINING)
    farm.pass_time(5.0)
    assert farm.scheduler.jobs["network"].state is JobState.SUCCEEDED


def test_the_studio_that_was_trained_for_less_is_first() -> None:
    farm = PoolsOnAClock({"north": 1.0, "south": 1.0})
    farm.join("training-1", Stage.TRAINING)
    for number in range(3):
        farm.submit(f"north-{number}", "north", stage=Stage.TRAINING, seconds=10.0)
    farm.submit("south-0", "south", stage=Stage.TRAINING, seconds=10.0)
    farm.pass_time(21.0)
    assert farm.served == {"north": 10.0, "south": 10.0}


def test_a_pause_stops_what_runs_and_nothing_of_it_runs_twice() -> None:
    farm = PoolsOnAClock({"north": 1.0})
    for number in range(2):
        farm.join(f"training-{number}", Stage.TRAINING)
    farm.submit("network", "north", stage=Stage.TRAINING, seconds=100.0)
    farm.pass_time(10.0)
    farm.tell(PauseRequest(job="network"))
    assert farm.scheduler.jobs["network"].state is JobState.PAUSED
    assert farm.scheduler.jobs["network"].spent == pytest.approx(10.0), "what it was worked on is paid for"
    farm.tell(ResumeRequest(job="network"))
    assert len(farm.scheduler.attempts) == 1
    farm.tell(CancelRequest(job="network"))
    assert farm.scheduler.jobs["network"].state is JobState.CANCELLED


def test_a_long_one_is_not_killed_nor_copied_for_its_length() -> None:
    farm = PoolsOnAClock({"north": 1.0})
    for number in range(2):
        farm.join(f"training-{number}", Stage.TRAINING)
    for number in range(10):
        farm.submit(f"short-{number}", "north", stage=Stage.TRAINING, seconds=1.0)
    farm.pass_time(30.0)
    farm.submit("long", "north", stage=Stage.TRAINING, seconds=5000.0)
    farm.pass_time(1500.0)
    assert len(farm.scheduler.attempts) == 1
    assert farm.killed == []


def test_one_whose_replica_is_lost_is_tried_on_the_next() -> None:
    farm = PoolsOnAClock({"north": 1.0})
    farm.join("training-0", Stage.TRAINING)
    farm.submit("network", "north", stage=Stage.TRAINING, seconds=20.0)
    farm.pass_time(5.0)
    del farm.running["training-0"]
    farm.tell(ReplicaGone("training-0"))
    farm.join("training-1", Stage.TRAINING)
    farm.pass_time(25.0)
    assert farm.scheduler.jobs["network"].state is JobState.SUCCEEDED
