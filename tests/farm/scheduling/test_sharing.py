"""Whose segment is next: tiers, shares, order, warm subjects, limits."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hand_driven_farm import PERMANENT, HandDrivenFarm

from farm.scheduling.job import spread
from farm.scheduling.job_request import JobRequest
from farm.scheduling.messages import (
    Dispatch,
    Purpose,
    Recall,
    RequestRefused,
    SegmentsReady,
    Succeeded,
)
from jobs.farm_requests import ResumeRequest, RetryRequest
from jobs.farm_spec import FarmPool, Studio
from jobs.lifecycle import JobState
from jobs.priority import Tier
from jobs.spec import Profile


def test_a_job_is_drawn_in_order_and_its_master_is_made_when_all_is_there() -> None:
    farm = HandDrivenFarm()
    farm.submit("film", segments=4)
    assert [farm.succeed().segment for _ in range(4)] == [0, 1, 2, 3]
    assert farm.job("film").state is JobState.STITCHING


def test_previews_come_first_and_are_spread_over_the_job() -> None:
    farm = HandDrivenFarm(slots=1)
    farm.submit("film", segments=9, preview_first=3)
    assert [farm.succeed().segment for _ in range(9)] == [0, 4, 8, 1, 2, 3, 5, 6, 7]
    assert spread(1, 9) == (0,)
    assert spread(0, 9) == ()


def test_a_replica_holds_one_segment_to_run_and_one_to_follow() -> None:
    farm = HandDrivenFarm(replicas=2)
    farm.submit("film", segments=9)
    assert Counter(len(farm.held(name)) for name in farm.waiting) == {2: 2}


def test_a_stricter_tier_is_always_served_first() -> None:
    farm = HandDrivenFarm()
    for tier in (Tier.TRAINING, Tier.BULK, Tier.NORMAL, Tier.INTERACTIVE):
        farm.submit(tier.value, segments=3, tier=tier)
        farm.begin()
    order = [farm.succeed().job for _ in range(12)]
    # What came first when the farm was empty runs; what only waited beside it was taken back.
    assert order == [
        "training",
        *["interactive"] * 3,
        *["normal"] * 3,
        *["bulk"] * 3,
        *["training"] * 2,
    ]


def test_one_segment_behind_ten_thousand_starts_when_the_running_one_is_done() -> None:
    farm = HandDrivenFarm()
    farm.submit("long", segments=10_000, subject="actor-a")
    for _ in range(5):
        farm.succeed()
    farm.begin()
    farm.submit("short", segments=1, studio="south", subject="actor-b")
    assert farm.succeed().job == "long"
    assert farm.begin().job == "short"


def test_one_segment_of_the_same_studio_need_not_wait_either() -> None:
    farm = HandDrivenFarm()
    farm.submit("long", segments=10_000)
    for _ in range(5):
        farm.succeed()
    farm.begin()
    farm.submit("short", segments=1)
    farm.succeed()
    assert farm.begin().job == "short"


@pytest.mark.parametrize("slots", [1, 2])
def test_jobs_of_a_studio_are_begun_in_the_order_in_which_they_came(slots: int) -> None:
    farm = HandDrivenFarm(slots=slots)
    names = [f"j{number}" for number in range(1, 8)]
    for name in names:
        farm.submit(name, segments=1)
        farm.begin()
    places = [farm.scheduler.why_waiting(name).position for name in names[slots:]]
    assert places == list(range(7 - slots))
    assert [farm.succeed().job for _ in names] == names
    assert farm.took(Recall) == [], "nobody gives way to who comes after"


def test_jobs_that_keep_coming_do_not_keep_an_older_one_from_its_share() -> None:
    farm = HandDrivenFarm()
    farm.submit("long", segments=100)
    order = []
    for number in range(60):
        farm.begin()
        farm.submit(f"new-{number}", segments=1)
        order.append(farm.succeed().job)
    # One of n equal jobs is due every n-th service, and one more waits after each that it gets: 1 + 2 + ... + 10 = 55.
    assert order.count("long") >= 10
    new = [job for job in order if job != "long"]
    assert new == [f"new-{number}" for number in range(len(new))]


def test_a_newcomer_still_takes_the_slot_of_what_waits_of_a_job_served_more() -> None:
    farm = HandDrivenFarm(replicas=1, slots=2, first_cost=9.87654)
    farm.submit("long", segments=40)
    for _ in range(3):
        farm.succeed(seconds=9.87654)
    farm.begin()
    farm.submit("short", segments=1)
    farm.submit("later", segments=1)
    order = [farm.succeed().job for _ in range(4)]
    assert order[:2] == ["long", "short"]
    assert "later" in order, "and the next is not forgotten over it"


def test_shares_follow_what_segments_cost_and_not_how_many_they_are() -> None:
    farm = HandDrivenFarm(slots=1, warm_lead=0)
    farm.submit("cheap", segments=500, studio="north", profile=Profile.PREVIEW)
    farm.submit("dear", segments=500, studio="south", profile=Profile.FULL)
    cost = {"cheap": 2.0, "dear": 8.0}
    spent: Counter[str] = Counter()
    for _ in range(300):
        job = farm.begin().job
        farm.succeed(seconds=cost[job])
        spent[job] += cost[job]
    assert spent["cheap"] / spent["dear"] == pytest.approx(1.0, abs=0.05)


def test_a_warm_subject_goes_ahead_of_its_turn_but_not_further_than_allowed() -> None:
    def run_lengths(warm_lead: float) -> list[int]:
        farm = HandDrivenFarm(slots=1, warm_lead=warm_lead)
        farm.submit("a", segments=60, studio="north", subject="actor-a")
        farm.submit("b", segments=60, studio="south", subject="actor-b")
        order = "".join(farm.succeed().job for _ in range(100))
        return [len(run) for run in order.replace("ab", "a b").replace("ba", "b a").split()]

    assert max(run_lengths(0)) <= 2
    assert sum(run_lengths(4)) / len(run_lengths(4)) > 4
    assert max(run_lengths(4)) <= 2 * (4 + 1)


def test_segments_that_take_no_time_at_all_stop_nothing() -> None:
    farm = HandDrivenFarm(warm_lead=4)
    farm.submit("a", subject="actor-a")
    farm.submit("b", subject="actor-b")
    for _ in range(8):
        farm.succeed(seconds=0.0)
    assert {farm.job(name).state for name in "ab"} == {JobState.STITCHING}


def test_a_job_waits_for_its_motion() -> None:
    farm = HandDrivenFarm()
    farm.submit("film", segments=3, motion_merged=False)
    assert farm.held() == []
    farm.tell(SegmentsReady("film", (1,)))
    assert farm.held() == [("film", 1)]


def test_committed_segments_are_not_drawn_again() -> None:
    farm = HandDrivenFarm()
    farm.submit("film", segments=4, committed=frozenset({0, 2}))
    assert [farm.succeed().segment for _ in range(2)] == [1, 3]
    farm.submit("done", segments=2, committed=frozenset({0, 1}))
    assert farm.job("done").state is JobState.STITCHING


def test_a_job_takes_no_more_replicas_than_it_may_and_both_slots_of_those() -> None:
    farm = HandDrivenFarm(replicas=4)
    farm.submit("film", segments=40, max_replicas=2)
    assert sorted(len(farm.held(name)) for name in farm.waiting) == [0, 0, 2, 2]
    farm.submit("other", segments=40)
    assert sorted(len(farm.held(name)) for name in farm.waiting) == [2, 2, 2, 2]


def test_a_studio_takes_no_more_replicas_than_it_may_over_all_its_jobs() -> None:
    farm = HandDrivenFarm(replicas=4, studios={"north": Studio(max_replicas=1)})
    farm.submit("one", segments=9)
    farm.submit("two", segments=9, tier=Tier.INTERACTIVE)
    assert sum(bool(farm.held(name)) for name in farm.waiting) == 1
    assert {farm.succeed().job for _ in range(12)} == {"one", "two"}


def test_a_submit_beyond_the_studios_queue_is_refused_and_changes_nothing() -> None:
    farm = HandDrivenFarm(studios={"north": Studio(max_queued_segments=10)})
    farm.submit("one", segments=8)
    with pytest.raises(RequestRefused, match="8 of 10") as caught:
        farm.submit("two", segments=3)
    assert caught.value.code == "queue_full"
    assert caught.value.hint
    assert set(farm.scheduler.jobs) == {"one"}
    farm.succeed()
    farm.submit("two", segments=3)


def test_jobs_that_have_ended_take_no_place_in_the_studios_queue_until_they_are_retried() -> None:
    farm = HandDrivenFarm(studios={"north": Studio(max_queued_segments=10)})
    farm.submit("one", segments=8)
    farm.fail(error=PERMANENT)
    farm.stop()
    farm.submit("two", segments=10)
    farm.tell(RetryRequest(job="one"))
    with pytest.raises(RequestRefused, match="18 of 10"):
        farm.submit("three", segments=1)


def test_a_job_that_spent_its_seconds_is_held_and_goes_on_with_more() -> None:
    farm = HandDrivenFarm(first_cost=10.0)
    farm.submit("film", segments=9, max_gpu_seconds=30.0)
    drawn = 0
    while farm.held():
        farm.succeed()
        drawn += 1
    assert drawn == 3
    assert farm.job("film").state is JobState.HELD
    with pytest.raises(RequestRefused, match="spent already"):
        farm.tell(ResumeRequest(job="film", max_gpu_seconds=20.0))
    farm.tell(ResumeRequest(job="film", max_gpu_seconds=1000.0))
    assert farm.held()


def test_answers_of_another_run_or_of_attempts_that_are_over_change_nothing() -> None:
    farm = HandDrivenFarm()
    farm.submit("film", segments=4)
    task = farm.succeed()
    before = list(farm.job("film").states)
    farm.tell(Succeeded(task.attempt, 3.0))
    farm.tell(Succeeded(task.attempt._replace(epoch=0, number=2), 3.0))
    assert farm.job("film").states == before


def test_the_same_events_give_the_same_actions() -> None:
    def actions() -> list[Any]:
        farm = HandDrivenFarm(replicas=3)
        for name, studio in (("a", "north"), ("b", "south"), ("c", "west")):
            farm.submit(name, segments=20, studio=studio)
        for number in range(30):
            farm.succeed(f"r{number % 3}", seconds=5.0 + number % 4)
        return farm.actions

    assert actions() == actions()


def test_every_dispatch_says_why() -> None:
    farm = HandDrivenFarm(replicas=2)
    farm.submit("film", segments=9, max_replicas=1)
    purposes = [action.purpose for action in farm.actions if isinstance(action, Dispatch)]
    assert purposes == [Purpose.TURN, Purpose.CAPPED]
    assert all(moved.reason.text for moved in farm.moves)


@pytest.mark.parametrize(
    "bad",
    [
        {"segment_count": 0},
        {"weight": 0.0},
        {"weight": 1e-16},
        {"weight": 1e5},
        {"weight": float("nan")},
        {"preview_first": 9},
        {"max_replicas": 0},
    ],
)
def test_a_job_that_cannot_be_is_refused(bad: dict[str, Any]) -> None:
    given = {"job": "x", "studio": "n", "subject": "a", "segment_count": 3, "profile": Profile.PREVIEW, **bad}
    with pytest.raises(ValueError, match=r"at least|from 0\.001 to 10000"):
        JobRequest(**given)


@pytest.mark.parametrize("bad", [{"slots": 0}, {"stall": 0.0}, {"warm_lead": -1.0}])
def test_rules_that_cannot_work_are_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="greater than"):
        FarmPool(**bad)
