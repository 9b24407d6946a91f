"""What waits in the second slot of a busy replica goes to one that idles, where it may go there."""

from __future__ import annotations

import random
import sys
from collections.abc import Sequence

import pytest
from hand_driven_farm import HandDrivenFarm

from farm.scheduling.audit import audit
from farm.scheduling.job_request import JobRequest
from farm.scheduling.messages import (
    Dispatch,
    Drain,
    FarmAction,
    FarmEvent,
    Recall,
    Recalled,
    ReplicaJoined,
    Started,
    Submit,
    Succeeded,
    Tick,
)
from farm.scheduling.scheduler import Scheduler
from jobs.farm_requests import PauseRequest
from jobs.farm_spec import FarmSpec, Studio
from jobs.lifecycle import JobState
from jobs.priority import Tier
from jobs.spec import Profile


def recalls(actions: Sequence[FarmAction]) -> list[Recall]:
    return [action for action in actions if isinstance(action, Recall)]


class ListeningFarm:
    """Leaves recalls unanswered until the test answers them."""

    def __init__(self) -> None:
        self.scheduler = Scheduler(FarmSpec(), clock=lambda: 0.0, randomness=random.Random(1))

    def tell(self, event: FarmEvent) -> list[FarmAction]:
        actions = self.scheduler.on(event)
        assert audit(self.scheduler.state) == []
        return actions

    def open(self) -> list[Dispatch]:
        """Two replicas with two segments each, of which the first run."""
        request = JobRequest(
            job="film", studio="north", subject="a", segment_count=4, profile=Profile.PREVIEW
        )
        self.tell(ReplicaJoined("r0"))
        self.tell(ReplicaJoined("r1"))
        tasks = [action for action in self.tell(Submit(request)) if isinstance(action, Dispatch)]
        for task in tasks[:2]:
            self.tell(Started(task.attempt))
        return tasks


def slow_on_r0(*, segments: int = 4, replicas: int = 2, **pool: int) -> HandDrivenFarm:
    """Segment 0 runs on r0 and takes its time."""
    farm = HandDrivenFarm(replicas=replicas, **pool)
    farm.submit("film", segments=segments)
    farm.begin("r0")
    farm.begin("r1")
    return farm


def test_what_waits_behind_a_slow_segment_goes_to_the_replica_that_has_nothing_left() -> None:
    farm = slow_on_r0()
    assert farm.held("r0") == [("film", 0), ("film", 2)]
    farm.succeed("r1")
    farm.succeed("r1")
    assert (farm.held("r0"), farm.held("r1")) == ([("film", 0)], [("film", 2)])
    farm.succeed("r1")
    farm.succeed("r0")
    assert farm.job("film").state is JobState.STITCHING
    assert len(farm.took(Recall)) == 1


def test_a_replica_that_joins_takes_what_waits_elsewhere() -> None:
    farm = slow_on_r0()
    farm.join("r2")
    farm.join("r3")
    farm.join("r4")
    assert [len(farm.held(name)) for name in ("r0", "r1", "r2", "r3", "r4")] == [1, 1, 1, 1, 0]


def test_the_first_in_turn_goes_first_and_its_first_segment() -> None:
    farm = HandDrivenFarm(replicas=2)
    farm.submit("bulk", segments=1, tier=Tier.BULK)
    farm.submit("urgent", segments=3, tier=Tier.INTERACTIVE)
    assert {name: farm.held(name) for name in farm.waiting} == {
        "r0": [("bulk", 0), ("urgent", 1)],
        "r1": [("urgent", 0), ("urgent", 2)],
    }
    farm.begin("r0")
    farm.begin("r1")
    farm.join("r2")
    assert farm.held("r2") == [("urgent", 1)]


@pytest.mark.parametrize("has_begun", [True, False])
def test_it_is_what_comes_second_that_goes(has_begun: bool) -> None:
    """The first of a replica is about to begin, whether or not that was told yet."""
    farm = HandDrivenFarm()
    farm.submit("film", segments=2)
    if has_begun:
        farm.begin()
    farm.join("r1")
    assert (farm.held("r0"), farm.held("r1")) == ([("film", 0)], [("film", 1)])


def test_a_job_or_a_studio_at_its_limit_keeps_its_second_slots() -> None:
    farm = HandDrivenFarm(replicas=4, studios={"small": Studio(max_replicas=1)})
    farm.submit("film", segments=2, max_replicas=1)
    farm.submit("spot", segments=2, studio="small")
    assert sorted(len(farm.held(name)) for name in farm.waiting) == [0, 0, 2, 2]
    farm.wait(1.0)
    assert farm.took(Recall) == []


def test_a_job_that_could_not_pay_again_keeps_its_second_slot() -> None:
    farm = HandDrivenFarm(replicas=2, first_cost=10.0)
    farm.submit("other", segments=1, studio="south", subject="actor-b")
    farm.submit("film", segments=2, max_gpu_seconds=20.0)
    farm.begin("r0")
    farm.begin("r1")
    farm.succeed("r0", seconds=40.0)  # what segments cost is learned: twenty seconds buy none any more
    assert (farm.held("r0"), farm.held("r1")) == ([], [("film", 0), ("film", 1)])
    assert farm.took(Recall) == []


def test_a_limit_is_not_passed_by_two_that_move_at_once() -> None:
    farm = HandDrivenFarm(replicas=2)
    farm.submit("film", segments=4, max_replicas=3)
    farm.begin("r0")
    farm.begin("r1")
    farm.join("r2")
    farm.join("r3")
    assert [len(farm.held(name)) for name in ("r0", "r1", "r2", "r3")] == [1, 2, 1, 0]


def test_nothing_is_asked_for_twice_and_only_as_much_as_replicas_idle() -> None:
    farm = ListeningFarm()
    farm.open()
    asked = recalls(farm.tell(ReplicaJoined("r2")))
    assert len(asked) == 1
    assert recalls(farm.tell(Tick())) == []
    assert len(recalls(farm.tell(ReplicaJoined("r3")))) == 1
    assert recalls(farm.tell(ReplicaJoined("r4"))) == [], "nothing else waits"
    again = farm.tell(Recalled(asked[0].attempt))
    assert [type(action) for action in again] == [Dispatch]


def test_one_that_began_before_the_question_came_stays_where_it_is() -> None:
    farm = ListeningFarm()
    first, *_ = farm.open()
    (asked,) = recalls(farm.tell(ReplicaJoined("r2")))
    farm.tell(Succeeded(first.attempt, 1.0))
    farm.tell(Started(asked.attempt))
    assert asked.attempt in farm.scheduler.state.attempts


def test_a_replica_that_drains_is_no_place_to_go_and_a_paused_job_does_not_move() -> None:
    farm = slow_on_r0()
    farm.tell(Drain("r1"))
    farm.succeed("r1")
    assert farm.held("r0") == [("film", 0), ("film", 2)]
    farm.tell(PauseRequest(job="film"))
    farm.join("r2")
    assert farm.held("r2") == []


@pytest.mark.parametrize("limited", ["job", "studio"])
def test_what_an_event_costs_grows_no_faster_than_the_replicas_where_a_limit_leaves_some_idle(
    limited: str,
) -> None:
    """Counted in calls of functions, so that other work on the machine does not matter."""

    def calls(replicas: int) -> int:
        limit = replicas // 2
        terms = Studio(max_replicas=limit if limited == "studio" else None)
        scheduler = Scheduler(
            FarmSpec(studios={"north": terms}), clock=lambda: 0.0, randomness=random.Random(1)
        )
        request = JobRequest(
            job="film",
            studio="north",
            subject="a",
            segment_count=2000,
            profile=Profile.PREVIEW,
            max_replicas=limit if limited == "job" else None,
        )
        tasks = [action for action in scheduler.on(Submit(request)) if isinstance(action, Dispatch)]
        for number in range(replicas):
            joined = scheduler.on(ReplicaJoined(f"r{number}"))
            tasks += [action for action in joined if isinstance(action, Dispatch)]
        counted = 0

        def count(_frame: object, event: str, _arg: object) -> None:
            nonlocal counted
            counted += event == "call"

        sys.setprofile(count)
        try:
            scheduler.on(Started(tasks[0].attempt))
            scheduler.on(Succeeded(tasks[0].attempt, 10.0))
        finally:
            sys.setprofile(None)
        return counted

    assert calls(128) < 6 * calls(32)


def test_the_audit_sees_a_replica_that_idles_while_something_could_come_to_it() -> None:
    farm = slow_on_r0(replicas=3, segments=3)
    state = farm.scheduler.state
    moved = next(attempt for attempt in state.attempts.values() if attempt.replica == "r2")
    for held in (state.jobs["film"].replicas, state.studios["north"].replicas):
        del held["r2"]
        held["r0"] += 1
    state.pool["r0"].attempts[moved.id] = state.pool["r2"].attempts.pop(moved.id)
    moved.replica = "r0"
    for name in ("r0", "r2"):
        state.pool.file(state.pool[name])
    assert "r2: idles" in "; ".join(audit(state))
    moved.recall_asked = True
    assert audit(state) == []
