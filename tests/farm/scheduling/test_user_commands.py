"""What users may ask, when, and what it comes to; and why a job waits."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hand_driven_farm import ON_HOLD, STORAGE, HandDrivenFarm

from farm.scheduling.messages import (
    Delivered,
    Drain,
    Expire,
    Finish,
    FinishStopped,
    Forget,
    Kill,
    RequestRefused,
    Requeue,
    Stitched,
    StopFinish,
    UserEvent,
    Waive,
)
from farm.scheduling.why import WaitCode
from jobs.farm_requests import CancelRequest, PauseRequest, ResumeRequest, RetryRequest
from jobs.farm_spec import Studio
from jobs.lifecycle import JobState, SegmentState
from jobs.priority import OnQuarantine


def code_of(farm: HandDrivenFarm, job: str = "film") -> WaitCode:
    reason = farm.scheduler.why_waiting(job)
    assert reason.sentence.endswith(".")
    return reason.code


def test_a_pause_lets_what_runs_finish_and_takes_back_what_waits() -> None:
    farm = HandDrivenFarm()
    farm.submit("film", segments=4)
    farm.begin()
    farm.tell(PauseRequest(job="film"))
    assert (farm.job("film").state, farm.held()) == (JobState.PAUSE_REQUESTED, [("film", 0)])
    assert code_of(farm) is WaitCode.PAUSED
    farm.succeed()
    assert (farm.job("film").state, farm.held()) == (JobState.PAUSED, [])
    farm.tell(ResumeRequest(job="film"))
    assert [farm.succeed().segment for _ in range(3)] == [1, 2, 3]


def test_a_pause_of_a_job_of_which_nothing_runs_is_a_pause_at_once() -> None:
    farm = HandDrivenFarm(replicas=0)
    farm.submit("film")
    farm.tell(PauseRequest(job="film"))
    farm.tell(PauseRequest(job="film"))
    assert farm.job("film").state is JobState.PAUSED


def test_a_cancel_stops_what_runs_and_is_done_when_that_has_stopped() -> None:
    farm = HandDrivenFarm()
    farm.submit("film", segments=4)
    farm.begin()
    farm.tell(CancelRequest(job="film"))
    assert farm.job("film").state is JobState.CANCEL_REQUESTED
    assert code_of(farm) is WaitCode.STOPPING
    farm.stop()
    farm.stop()
    assert farm.job("film").state is JobState.CANCELLED
    farm.tell(CancelRequest(job="film"))


def test_what_does_not_stop_in_time_loses_its_replica_and_its_neighbour_pays_nothing() -> None:
    farm = HandDrivenFarm(grace=20.0)
    farm.submit("film", segments=1)
    farm.begin()
    farm.submit("other", segments=1, studio="south")
    farm.tell(CancelRequest(job="film"))
    farm.wait(19.0)
    assert farm.took(Kill) == []
    farm.wait(2.0)
    assert len(farm.took(Kill)) == 1
    assert farm.job("film").state is JobState.CANCELLED
    assert farm.job("other").records[0].suspicion == 0
    farm.join("r1")
    assert farm.held("r1") == [("other", 0)]


def test_a_cancelled_job_keeps_no_subject_from_others() -> None:
    farm = HandDrivenFarm()
    farm.submit("film", segments=4)
    farm.submit("other", segments=2, studio="south")
    farm.begin()
    farm.tell(CancelRequest(job="film"))
    while farm.held() and farm.held()[0][0] == "film":
        farm.stop()
    assert {farm.succeed().job for _ in range(2)} == {"other"}


@pytest.mark.parametrize("reached", [JobState.STITCHING, JobState.DELIVERING])
def test_a_cancel_stops_the_stitcher_too(reached: JobState) -> None:
    farm = HandDrivenFarm()
    farm.submit("film", segments=1)
    farm.succeed()
    if reached is JobState.DELIVERING:
        farm.tell(Stitched("film"))
    assert farm.job("film").state is reached
    assert code_of(farm) is WaitCode.FINISHING
    farm.tell(CancelRequest(job="film"))
    assert farm.took(StopFinish) == [StopFinish("film")]
    farm.tell(FinishStopped("film"))
    assert farm.job("film").state is JobState.CANCELLED


def test_a_stitcher_that_does_not_stop_is_left_behind() -> None:
    farm = HandDrivenFarm(grace=20.0)
    farm.submit("film", segments=1)
    farm.succeed()
    farm.tell(CancelRequest(job="film"))
    farm.wait(21.0)
    assert farm.job("film").state is JobState.CANCELLED
    farm.tell(Stitched("film"))
    farm.tell(Delivered("film"))
    assert farm.job("film").state is JobState.CANCELLED


def test_a_delivered_job_is_over() -> None:
    farm = HandDrivenFarm()
    farm.submit("film", segments=1)
    farm.succeed()
    farm.tell(Stitched("film"))
    farm.tell(Delivered("film"))
    assert farm.job("film").state is JobState.SUCCEEDED
    assert code_of(farm) is WaitCode.OVER
    farm.tell(Forget("film"))
    with pytest.raises(RequestRefused, match="no such job"):
        farm.scheduler.why_waiting("film")


def test_a_failed_job_is_retried_with_a_clean_record_and_keeps_what_it_committed() -> None:
    farm = HandDrivenFarm(max_failures=1)
    farm.submit("film", segments=3)
    farm.succeed()
    farm.fail()
    assert farm.job("film").state is JobState.FAILED
    farm.stop()
    farm.tell(RetryRequest(job="film"))
    assert [farm.succeed().segment for _ in range(2)] == [1, 2]
    assert farm.job("film").state is JobState.STITCHING


def test_a_range_goes_back_in_line_without_what_is_committed() -> None:
    farm = HandDrivenFarm()
    farm.submit("film", segments=6)
    farm.tell(Waive("film", (2, 3, 4)))
    farm.succeed()
    farm.tell(Requeue("film", (0, 1, 2, 3)))
    states = farm.job("film").states
    assert states[0] is SegmentState.COMMITTED
    assert states[4] is SegmentState.WAIVED
    assert {farm.succeed().segment for _ in range(4)} == {1, 2, 3, 5}
    assert farm.took(Finish) == [Finish("film", waived=(4,))]


def test_a_segment_that_runs_can_be_waived() -> None:
    farm = HandDrivenFarm()
    farm.submit("film", segments=1)
    farm.begin()
    farm.tell(Waive("film", (0,)))
    assert farm.job("film").state is JobState.STITCHING
    assert len(farm.stops()) == 1


def test_a_job_on_hold_starts_when_it_is_resumed_and_expires_when_it_never_is() -> None:
    farm = HandDrivenFarm()
    farm.submit("film", hold=ON_HOLD)
    farm.submit("old", hold=ON_HOLD)
    assert farm.held() == []
    assert code_of(farm) is WaitCode.ON_HOLD
    farm.tell(ResumeRequest(job="film"))
    assert farm.held() == [("film", 0), ("film", 1)]
    farm.tell(Expire("old"))
    assert farm.job("old").state is JobState.EXPIRED


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        (PauseRequest(job="nobody"), "unknown_job"),
        (RetryRequest(job="over"), "wrong_state"),
        (PauseRequest(job="over"), "wrong_state"),
        (ResumeRequest(job="over"), "wrong_state"),
        (Expire("film"), "wrong_state"),
        (Forget("film"), "not_over"),
        (Waive("film", (99,)), "not_waivable"),
        (Waive("over", (0,)), "not_open"),
        (Requeue("over", (0,)), "not_open"),
        (Requeue("film", (0, 1, 99)), "nothing_to_requeue"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, tuple) else str(value),
)
def test_what_cannot_be_granted_is_refused_and_changes_nothing(request_: UserEvent, code: str) -> None:
    farm = HandDrivenFarm()
    farm.submit("over", segments=1)
    farm.succeed()
    farm.tell(Stitched("over"))
    farm.tell(Delivered("over"))
    farm.submit("film")
    moves = len(farm.moves)
    with pytest.raises(RequestRefused) as caught:
        farm.tell(request_)
    assert caught.value.code == code
    assert caught.value.where
    assert len(farm.moves) == moves


def test_a_name_is_taken_once() -> None:
    farm = HandDrivenFarm()
    farm.submit("film")
    with pytest.raises(RequestRefused, match="of that name"):
        farm.submit("film")


def no_replicas(farm: HandDrivenFarm) -> None:
    farm.tell(Drain("r0"))
    farm.submit("film")


def behind_another(farm: HandDrivenFarm) -> None:
    farm.submit("before", segments=9, max_replicas=1)
    farm.begin()
    farm.succeed()
    farm.submit("film", segments=3)
    farm.succeed()


def at_its_limit(farm: HandDrivenFarm) -> None:
    farm.submit("film", segments=9, max_replicas=1)


def at_the_studios_limit(farm: HandDrivenFarm) -> None:
    farm.submit("film", segments=9, studio="small")


def without_motion(farm: HandDrivenFarm) -> None:
    farm.submit("film", motion_merged=False)


def while_the_store_is_away(farm: HandDrivenFarm) -> None:
    farm.submit("film", segments=1)
    farm.fail(error=STORAGE)


def all_of_it_runs(farm: HandDrivenFarm) -> None:
    farm.submit("film", segments=2)


def about_to_be_spent(farm: HandDrivenFarm) -> None:
    farm.submit("film", segments=9, max_gpu_seconds=10.0)


def with_a_suspect(farm: HandDrivenFarm) -> None:
    farm.submit("film", segments=1, on_quarantine=OnQuarantine.HOLD)
    farm.lose("r0")
    farm.join("r1")
    farm.lose("r1")


def test_jobs_that_may_not_be_served_are_not_before_anybody() -> None:
    farm = HandDrivenFarm(replicas=3, slots=1, studios={"small": Studio(max_replicas=1, weight=1000)})
    for number in range(5):
        farm.submit(f"small-{number}", segments=5, studio="small")
    farm.submit("one", segments=5, max_replicas=1)
    farm.submit("film", segments=5, max_replicas=1)
    farm.submit("last", segments=5)
    assert farm.scheduler.why_waiting("last").position == 0


@pytest.mark.parametrize(
    ("arrange", "code", "words"),
    [
        (no_replicas, WaitCode.NO_CAPACITY, "0 replicas"),
        (behind_another, WaitCode.TURN, "come before it"),
        (at_its_limit, WaitCode.JOB_LIMIT, "1 replicas"),
        (at_the_studios_limit, WaitCode.STUDIO_LIMIT, "small has all"),
        (without_motion, WaitCode.MOTION, "4 segments"),
        (while_the_store_is_away, WaitCode.BACKOFF, "tried again"),
        (all_of_it_runs, WaitCode.RUNNING, "none waits"),
        (about_to_be_spent, WaitCode.BUDGET, "10 GPU seconds"),
        (with_a_suspect, WaitCode.FRESH_REPLICA, "run alone"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_a_job_can_say_why_it_waits(
    arrange: Callable[[HandDrivenFarm], None], code: WaitCode, words: str
) -> None:
    farm = HandDrivenFarm(studios={"small": Studio(max_replicas=1)})
    arrange(farm)
    assert code_of(farm) is code
    assert words in farm.scheduler.why_waiting("film").sentence


def test_a_retry_where_nothing_was_given_up_starts_no_job_that_waits_for_something_else() -> None:
    farm = HandDrivenFarm(first_cost=10.0)
    farm.submit("film", hold=ON_HOLD)
    farm.submit("dear", max_gpu_seconds=5.0)
    for name in ("film", "dear"):
        assert farm.job(name).state is JobState.HELD
        with pytest.raises(RequestRefused) as refusal:
            farm.tell(RetryRequest(job=name))
        assert refusal.value.code == "nothing_to_retry"
        assert farm.job(name).state is JobState.HELD


def test_a_retry_that_would_only_be_held_for_its_budget_is_refused_with_what_helps() -> None:
    farm = HandDrivenFarm(first_cost=10.0, max_failures=1)
    farm.submit("film", segments=2, on_quarantine=OnQuarantine.HOLD, max_gpu_seconds=10.5)
    farm.fail()
    assert farm.job("film").state is JobState.HELD
    with pytest.raises(RequestRefused) as refusal:
        farm.tell(RetryRequest(job="film"))
    assert refusal.value.code == "budget_too_small"
    farm.tell(Requeue("film", (0,)))
    farm.tell(ResumeRequest(job="film", max_gpu_seconds=100.0))
    assert farm.held() == [("film", 0), ("film", 1)]


def test_a_job_whose_budget_is_spent_ends_when_all_that_it_lacks_is_waived() -> None:
    farm = HandDrivenFarm(first_cost=10.0, slots=1)
    farm.submit("film", segments=2, max_gpu_seconds=15.0)
    farm.succeed()
    assert farm.job("film").state is JobState.HELD
    farm.tell(Waive("film", (1,)))
    assert farm.job("film").state is JobState.STITCHING
