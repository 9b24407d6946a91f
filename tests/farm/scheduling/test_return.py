"""Jobs that come back: from an earlier run of the farm, with what was settled then, or because their input is gone."""

from __future__ import annotations

import pytest
from hand_driven_farm import STORAGE, HandDrivenFarm

from farm.scheduling.job_request import JobRequest
from farm.scheduling.messages import (
    Broken,
    Finish,
    MotionGone,
    RequestRefused,
    SegmentsReady,
    Waive,
)
from jobs.errors import FarmError
from jobs.farm_requests import ResumeRequest, RetryRequest
from jobs.farm_spec import Studio
from jobs.lifecycle import JobEvent, JobState, SegmentState
from jobs.priority import OnQuarantine
from jobs.reasons import Reason, ReasonKind
from jobs.spec import Profile


def test_only_what_an_earlier_run_left_open_is_rendered() -> None:
    farm = HandDrivenFarm()
    farm.restore(
        "film", segments=5, committed=frozenset({0}), waived=frozenset({1}), on_quarantine=OnQuarantine.HOLD
    )
    assert [farm.succeed().segment for _ in range(3)] == [2, 3, 4]
    assert farm.took(Finish) == [Finish("film", (1,))]


def test_a_segment_still_in_quarantine_holds_the_job_until_somebody_decides() -> None:
    farm = HandDrivenFarm()
    farm.restore(
        "film",
        segments=2,
        committed=frozenset({0}),
        quarantined=frozenset({1}),
        on_quarantine=OnQuarantine.HOLD,
    )
    job = farm.job("film")
    assert job.state is JobState.HELD
    assert job.hold is not None
    assert job.hold.kind is ReasonKind.POLICY
    farm.tell(RetryRequest(job="film"))
    farm.succeed()
    assert job.state is JobState.STITCHING


def test_what_was_spent_before_counts() -> None:
    farm = HandDrivenFarm(first_cost=10.0)
    farm.restore("film", max_gpu_seconds=25.0, spent=20.0)
    job = farm.job("film")
    assert job.state is JobState.HELD
    assert job.hold is not None
    assert job.hold.kind is ReasonKind.BUDGET


@pytest.mark.parametrize("kind", [ReasonKind.USER, ReasonKind.BUDGET, ReasonKind.WORK])
def test_a_job_that_was_held_is_held_for_the_same_reason_and_nothing_is_recorded_of_it(
    kind: ReasonKind,
) -> None:
    farm = HandDrivenFarm()
    hold = Reason(kind, "as an earlier run said")
    farm.restore("film", hold=hold)
    job = farm.job("film")
    assert (job.state, job.hold, farm.moves, farm.held()) == (JobState.HELD, hold, [], [])
    assert farm.scheduler.why_waiting("film").sentence == "It is held: as an earlier run said."
    farm.tell(ResumeRequest(job="film"))
    assert (job.state, job.hold) == (JobState.RUNNING, None)


def test_a_job_that_goes_on_is_queued_without_a_word_and_served() -> None:
    farm = HandDrivenFarm()
    farm.restore("film", segments=2, committed=frozenset({0}))
    assert farm.held() == [("film", 1)]
    assert JobEvent.QUEUED not in [moved.event for moved in farm.moves]


def test_a_full_queue_turns_a_new_job_away_and_not_one_that_comes_back() -> None:
    farm = HandDrivenFarm(studios={"north": Studio(max_queued_segments=3)})
    farm.restore("film", segments=4)
    with pytest.raises(RequestRefused, match="4 of 3 segments"):
        farm.submit("other", segments=1)
    with pytest.raises(RequestRefused, match="of that name"):
        farm.restore("film")


def test_a_segment_that_waits_for_its_motion_can_be_waived() -> None:
    farm = HandDrivenFarm()
    farm.submit("film", segments=3, motion_merged=False)
    farm.tell(Waive("film", (1,)))
    assert farm.job("film").states[1] is SegmentState.WAIVED


def test_what_one_segment_is_made_of_can_be_gone_and_the_others_go_on() -> None:
    farm = HandDrivenFarm(slots=1)
    farm.submit("film", segments=4)
    farm.fail(error=STORAGE)
    assert farm.held() == [("film", 1)]
    farm.tell(MotionGone("film", segments=(0, 1, 3)))
    blocked, ready = SegmentState.BLOCKED, SegmentState.READY
    assert farm.job("film").states == [blocked, SegmentState.LEASED, ready, blocked], "what runs goes on"
    farm.succeed()
    assert farm.held() == [("film", 2)]
    farm.succeed()
    assert farm.held() == []
    farm.tell(SegmentsReady("film", (0, 3)))
    assert [farm.succeed().segment for _ in range(2)] == [0, 3]


def test_a_suspect_whose_face_is_gone_is_a_suspect_again_once_that_is_there() -> None:
    farm = HandDrivenFarm(slots=1)
    farm.submit("film", segments=2)
    farm.lose("r0")
    farm.join("r1")
    farm.lose("r1")
    assert farm.job("film").states[0] is SegmentState.SUSPECT
    farm.tell(MotionGone("film", segments=(0,)))
    assert farm.job("film").states == [SegmentState.BLOCKED, SegmentState.READY]
    farm.tell(SegmentsReady("film", (0,)))
    assert farm.job("film").states[0] is SegmentState.SUSPECT


def test_a_job_whose_input_is_gone_fails_and_what_runs_of_it_stops() -> None:
    farm = HandDrivenFarm()
    farm.submit("film")
    farm.begin()
    farm.tell(Broken("film", FarmError("the speech is gone")))
    job = farm.job("film")
    assert job.state is JobState.FAILED
    assert job.failure is not None
    assert job.failure.message == "the speech is gone"
    assert len(farm.stops()) == 2


@pytest.mark.parametrize(
    "settled",
    [
        {"committed": frozenset({9})},
        {"waived": frozenset({0}), "quarantined": frozenset({0})},
    ],
)
def test_a_request_that_contradicts_itself_is_refused(settled: dict[str, frozenset[int]]) -> None:
    with pytest.raises(ValueError, match="settled"):
        JobRequest(
            job="film", studio="north", subject="a", segment_count=2, profile=Profile.PREVIEW, **settled
        )  # type: ignore[arg-type]


def test_a_wait_that_was_given_up_for_a_lost_face_does_not_end_the_next_one() -> None:
    farm = HandDrivenFarm(backoff=10.0)
    farm.submit("film", segments=1)
    for _ in range(3):
        farm.fail(error=STORAGE)
        farm.tell(MotionGone("film", segments=(0,)))
        farm.tell(SegmentsReady("film", (0,)))
    farm.fail(error=STORAGE)
    farm.wait(10.0 * 8 * 0.5 - 0.5)
    assert farm.held() == [], "the fourth wait is eight times the first, with jitter"
    farm.wait(10.0 * 8)
    assert farm.held() == [("film", 0)]
