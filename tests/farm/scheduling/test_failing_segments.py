"""Who pays when something fails, and what is tried before a segment is given up."""

from __future__ import annotations

from typing import Any

import pytest
from hand_driven_farm import INFRASTRUCTURE, PERMANENT, STORAGE, HandDrivenFarm

from farm.scheduling.messages import (
    Drain,
    Finish,
    FinishFailed,
    Kill,
    Progressed,
    Purpose,
    Recall,
    Recycle,
    ReplicaJoined,
    RequestRefused,
    Requeue,
    Retire,
    SegmentFound,
    Succeeded,
    Waive,
)
from jobs.errors import DiskFull
from jobs.farm_requests import ResumeRequest, RetryRequest
from jobs.lifecycle import AttemptState, JobState, SegmentState
from jobs.priority import OnQuarantine


def attempt_ends(farm: HandDrivenFarm) -> list[Any]:
    return [
        moved.after
        for moved in farm.moves
        if isinstance(moved.after, AttemptState) and moved.after.is_terminal
    ]


def test_a_lost_replica_costs_the_waiting_segment_nothing_and_the_running_one_a_suspicion() -> None:
    farm = HandDrivenFarm()
    farm.submit("film", segments=2)
    farm.lose()
    assert attempt_ends(farm) == [AttemptState.NEVER_ATTEMPTED, AttemptState.LOST]
    assert farm.job("film").records[0].suspicion == 1
    assert farm.job("film").records[1].suspicion == 0
    farm.join("r1")
    assert farm.held("r1") == [("film", 0), ("film", 1)]


def test_a_death_that_a_node_explains_is_charged_to_nobody_however_often_it_happens() -> None:
    farm = HandDrivenFarm()
    farm.submit("film", segments=1)
    for number in range(20):
        farm.lose(f"r{number}", explained=True)
        farm.join(f"r{number + 1}")
    assert farm.job("film").records[0].suspicion == 0
    farm.succeed("r20")
    assert farm.job("film").state is JobState.STITCHING


def test_bad_input_fails_the_job_at_once_and_takes_back_what_runs() -> None:
    farm = HandDrivenFarm(replicas=2)
    farm.submit("film", segments=9)
    farm.begin("r1")
    farm.fail("r0", PERMANENT)
    assert farm.job("film").state is JobState.FAILED
    assert len(farm.stops()) == 3
    assert "it is black" in farm.scheduler.why_waiting("film").sentence


def test_a_result_that_fails_on_two_replicas_is_given_up() -> None:
    farm = HandDrivenFarm(replicas=2, slots=1)
    farm.submit("film", segments=1)
    name = next(name for name in farm.waiting if farm.held(name))
    farm.fail(name)
    assert farm.job("film").states[0] is SegmentState.LEASED
    if farm.held(name):
        farm.fail(name)  # again on the same replica: that proves something about the replica alone
        assert farm.job("film").state is JobState.RUNNING
        assert not farm.held(name), "it is shunned"
    farm.fail(next(other for other in farm.waiting if other != name))
    assert farm.job("film").state is JobState.FAILED


def test_a_store_that_does_not_answer_is_charged_to_nobody_and_tried_again_later() -> None:
    farm = HandDrivenFarm()
    farm.submit("film", segments=1)
    for _ in range(12):
        farm.fail("r0", STORAGE)
        assert farm.held() == [], "it waits"
        assert "[store_unavailable] it does not answer" in farm.scheduler.why_waiting("film").sentence
        farm.wait(60.0)
    farm.succeed()
    assert farm.job("film").state is JobState.STITCHING
    assert farm.job("film").spent == 10.0


@pytest.mark.parametrize(
    ("patience", "backoff", "most"), [(900.0, 2.0, 950.0), (30.0, 5.0, 60.0), (0.0, 2.0, 0.0)]
)
def test_a_job_whose_store_does_not_answer_ends_with_that_once_patience_is_over(
    patience: float, backoff: float, most: float
) -> None:
    farm = HandDrivenFarm(patience=patience, backoff=backoff)
    farm.submit("film", segments=3)
    while farm.job("film").state is not JobState.FAILED:
        while farm.held() and farm.job("film").state is not JobState.FAILED:
            farm.fail("r0", STORAGE)
        if farm.now < patience and farm.job("film").state is JobState.FAILED:
            raise AssertionError("it ended too early")
        farm.wait(1.0)
        assert farm.now <= most + 1.0
    assert farm.job("film").failure is STORAGE


def test_patience_begins_anew_with_every_segment_that_is_committed() -> None:
    farm = HandDrivenFarm(patience=100.0, backoff=20.0, slots=1)
    farm.submit("film", segments=20)
    for _ in range(8):
        farm.fail("r0", STORAGE)
        farm.succeed("r0", seconds=60.0)
    assert farm.now > 400.0
    assert farm.job("film").state is JobState.RUNNING


def test_a_machine_that_fails_is_charged_to_nobody_until_the_segment_has_failed_alone_on_a_fresh_one() -> (
    None
):
    farm = HandDrivenFarm(replicas=3, slots=1)
    farm.submit("film", segments=1)
    for _ in range(2):
        farm.fail(next(name for name in farm.waiting if farm.held(name)), INFRASTRUCTURE)
    assert farm.job("film").spent == 0.0
    name = next(name for name in farm.waiting if farm.held(name))
    assert farm.begin(name).purpose is Purpose.SOLO
    farm.fail(name, INFRASTRUCTURE)
    failure = farm.job("film").failure
    assert farm.job("film").state is JobState.FAILED
    assert failure is not None
    assert failure.message.startswith("alone on a fresh replica: 3 replicas were lost")


def test_a_replica_that_fails_three_jobs_in_a_row_is_shunned_and_forgiven() -> None:
    farm = HandDrivenFarm(replicas=2, slots=1, cool_down=100.0)
    for job in ("a", "b", "c", "d", "e", "f"):
        farm.submit(job, segments=1)
    farm.begin("r1")
    for _ in range(3):
        farm.fail()
        farm.wait(0.0)
    assert farm.held() == []
    farm.tell(Progressed(farm.waiting["r1"][0].attempt))
    farm.wait(50.0)
    farm.tell(Progressed(farm.waiting["r1"][0].attempt))
    farm.wait(49.0)
    assert farm.held() == []
    farm.wait(2.0)
    assert farm.held() != []


def test_a_success_in_between_makes_a_replica_trusted_again() -> None:
    farm = HandDrivenFarm(slots=1)
    for job in ("a", "b", "c", "d", "e"):
        farm.submit(job, segments=2)
    for _ in range(2):
        farm.fail()
    farm.succeed()
    farm.fail()
    assert farm.held() != []


@pytest.mark.parametrize(("progresses", "killed_after"), [(False, 60.0), (True, 900.0)])
def test_what_makes_no_progress_or_takes_too_long_loses_its_replica(
    progresses: bool, killed_after: float
) -> None:
    farm = HandDrivenFarm()
    farm.submit("film", segments=2)
    task = farm.begin()
    while not farm.took(Kill):
        farm.wait(10.0)
        if progresses:
            farm.tell(Progressed(task.attempt))
        assert farm.now <= killed_after + 20
    assert farm.now > killed_after
    assert farm.job("film").records[0].suspicion == 1
    assert farm.job("film").records[1].suspicion == 0
    assert AttemptState.TIMED_OUT in attempt_ends(farm)


def test_fill_waives_the_segment_and_the_master_knows_of_the_gap() -> None:
    farm = HandDrivenFarm(max_failures=1)
    farm.submit("film", segments=2, on_quarantine=OnQuarantine.FILL)
    farm.fail()
    farm.succeed()
    assert farm.took(Finish) == [Finish("film", waived=(0,))]


def test_hold_renders_the_rest_first_and_then_waits_for_a_person() -> None:
    farm = HandDrivenFarm(max_failures=1)
    farm.submit("film", segments=3, on_quarantine=OnQuarantine.HOLD)
    farm.fail()
    assert farm.job("film").state is JobState.RUNNING
    farm.succeed()
    farm.succeed()
    assert farm.job("film").state is JobState.HELD
    assert farm.scheduler.why_waiting("film").code == "quarantine"
    for request in (ResumeRequest(job="film"), Requeue("film", (1, 2))):
        # It would only be held again.
        with pytest.raises(RequestRefused):
            farm.tell(request)
    assert farm.job("film").state is JobState.HELD
    farm.tell(RetryRequest(job="film"))
    assert farm.held() == [("film", 0)]
    farm.fail()
    farm.tell(Waive("film", (0,)))
    assert farm.took(Finish) == [Finish("film", waived=(0,))]


def test_too_many_failed_segments_fail_the_job_whatever_it_said() -> None:
    farm = HandDrivenFarm(max_failures=1)
    farm.submit("film", segments=9, on_quarantine=OnQuarantine.FILL, max_failed_segments=1)
    farm.fail()
    assert farm.job("film").state is JobState.RUNNING
    farm.fail()
    assert farm.job("film").state is JobState.FAILED


def test_a_commit_that_is_found_in_the_store_ends_the_attempts_of_that_segment() -> None:
    farm = HandDrivenFarm()
    farm.submit("film", segments=2)
    task = farm.begin()
    farm.tell(SegmentFound("film", 0))
    assert [stop.attempt for stop in farm.stops()] == [task.attempt]
    farm.waiting["r0"].remove(task)
    farm.tell(Succeeded(task.attempt, 9.0))
    farm.succeed()
    assert farm.job("film").state is JobState.STITCHING


def test_a_drained_replica_finishes_what_it_runs_and_retires() -> None:
    farm = HandDrivenFarm(replicas=1)
    farm.submit("film", segments=20)
    farm.begin()
    farm.tell(Drain("r0"))
    assert farm.held() == [("film", 0)]
    farm.succeed()
    assert farm.took(Retire) == [Retire("r0")]


def test_a_name_cannot_be_taken_twice() -> None:
    farm = HandDrivenFarm()
    with pytest.raises(ValueError, match="already"):
        farm.tell(ReplicaJoined("r0"))


def test_a_master_that_cannot_be_delivered_fails_the_job_and_a_retry_only_makes_the_master() -> None:
    farm = HandDrivenFarm()
    farm.submit("film", segments=1)
    farm.succeed()
    farm.tell(FinishFailed("film", DiskFull("no space is left")))
    assert farm.job("film").state is JobState.FAILED
    farm.tell(RetryRequest(job="film"))
    assert farm.job("film").state is JobState.STITCHING
    assert len(farm.took(Finish)) == 2


def test_the_last_replica_that_serves_is_started_anew_where_another_would_be_shunned() -> None:
    farm = HandDrivenFarm(replicas=1, slots=1, max_failures=3)
    farm.submit("film", segments=3)
    farm.fail()
    farm.fail()
    assert farm.took(Recycle) == [Recycle("r0")]
    farm.join("r1")
    assert farm.held("r1"), "the farm goes on at once"


def test_a_lost_segment_takes_the_slot_of_a_later_one_of_its_job_that_only_waits() -> None:
    farm = HandDrivenFarm(replicas=2, slots=2)
    farm.submit("film", segments=8)
    assert [segment for name in ("r0", "r1") for _, segment in farm.held(name)] == [0, 2, 1, 3]
    farm.begin("r1")
    farm.lose("r0")
    assert farm.held("r1") == [("film", 1), ("film", 0)], "segment 3 gives way to the first that was lost"


def test_a_lost_segment_takes_nothing_from_other_jobs() -> None:
    farm = HandDrivenFarm(replicas=2, slots=1)
    farm.submit("film", segments=1)
    farm.submit("spot", segments=3, studio="south")
    farm.begin("r0")
    farm.begin("r1")
    farm.lose("r0")
    assert farm.took(Recall) == []


def test_a_segment_that_is_put_back_in_line_and_given_up_again_counts_once() -> None:
    farm = HandDrivenFarm(max_failures=1)
    farm.submit("film", segments=3, on_quarantine=OnQuarantine.HOLD, max_failed_segments=1)
    farm.fail()
    farm.tell(Requeue("film", (0,)))
    farm.fail()
    assert farm.job("film").state is JobState.RUNNING
    farm.fail()
    assert farm.job("film").state is JobState.FAILED


def test_gaps_of_an_earlier_run_count() -> None:
    farm = HandDrivenFarm(max_failures=1)
    gaps = frozenset({1})
    farm.submit(
        "film", on_quarantine=OnQuarantine.FILL, max_failed_segments=1, waived=gaps | {2}, filled=gaps
    )
    farm.fail()
    assert farm.job("film").state is JobState.FAILED


def test_a_job_that_is_held_for_a_segment_goes_on_when_the_store_turns_out_to_hold_it() -> None:
    farm = HandDrivenFarm(max_failures=1)
    farm.submit("film", segments=2, on_quarantine=OnQuarantine.HOLD)
    farm.fail()
    farm.succeed()
    assert farm.job("film").state is JobState.HELD
    farm.tell(SegmentFound("film", 0))
    assert farm.job("film").state is JobState.STITCHING
