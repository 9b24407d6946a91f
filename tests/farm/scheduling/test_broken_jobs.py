"""A job over which the farm itself failed ends wherever it stands; what runs of it stops, others are not touched."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hand_driven_farm import ON_HOLD, HandDrivenFarm

from farm.scheduling.messages import Broken, FinishStopped, Forget, StopFinish
from jobs.errors import FarmError
from jobs.farm_requests import CancelRequest, PauseRequest, RetryRequest
from jobs.lifecycle import JobState
from jobs.priority import OnQuarantine
from jobs.reasons import ReasonKind


def _running(farm: HandDrivenFarm) -> None:
    farm.begin()


def _held(farm: HandDrivenFarm) -> None:
    for _ in range(2 * len(farm.job("film").states)):
        if farm.job("film").state is not JobState.HELD and farm.held():
            farm.fail()


def _pausing(farm: HandDrivenFarm) -> None:
    farm.begin()
    farm.tell(PauseRequest(job="film"))


def _paused(farm: HandDrivenFarm) -> None:
    _pausing(farm)
    farm.succeed()


def _stitching(farm: HandDrivenFarm) -> None:
    while farm.held():
        farm.succeed()


STANDS: dict[str, tuple[Callable[[HandDrivenFarm], None], JobState]] = {
    "running": (_running, JobState.RUNNING),
    "held": (_held, JobState.HELD),
    "pausing": (_pausing, JobState.PAUSE_REQUESTED),
    "paused": (_paused, JobState.PAUSED),
    "stitching": (_stitching, JobState.STITCHING),
}


@pytest.mark.parametrize("stand", STANDS)
def test_it_fails_wherever_it_stands_and_can_be_retried(stand: str) -> None:
    come, state = STANDS[stand]
    farm = HandDrivenFarm(max_tries_failed=1)
    farm.submit("film", on_quarantine=OnQuarantine.HOLD, motion_merged=True)
    come(farm)
    assert farm.job("film").state is state
    farm.tell(Broken("film", FarmError("RuntimeError: it tripped"), is_internal=True))
    job = farm.job("film")
    assert job.state is JobState.FAILED
    assert farm.moves[-1].reason.kind in (ReasonKind.INTERNAL, ReasonKind.POLICY)
    assert job.failure is not None
    assert job.failure.message == "RuntimeError: it tripped"
    assert not any(attempt.holds_lease for attempt in job.attempts.values())
    if stand == "stitching":
        assert StopFinish("film") in farm.actions
        farm.tell(FinishStopped("film"))
    while farm.waiting["r0"]:
        farm.stop()
    farm.tell(RetryRequest(job="film"))
    assert farm.job("film").state not in (JobState.FAILED, JobState.HELD)


def test_another_job_takes_the_place_of_what_is_stopped() -> None:
    farm = HandDrivenFarm()
    farm.submit("film", motion_merged=True)
    farm.submit("other", motion_merged=True)
    farm.begin()
    farm.tell(Broken("film", FarmError("RuntimeError: it tripped"), is_internal=True))
    for _ in range(20):
        task = farm.waiting["r0"][0] if farm.waiting["r0"] else None
        if task is None:
            break
        farm.stop() if task.job == "film" else farm.succeed()
    assert farm.job("other").unsettled == 0
    farm.tell(Forget("film"))
    assert "film" not in farm.scheduler.jobs


def test_a_job_that_is_being_cancelled_is_cancelled() -> None:
    farm = HandDrivenFarm()
    farm.submit("film", motion_merged=True)
    farm.begin()
    farm.tell(CancelRequest(job="film"))
    farm.tell(Broken("film", FarmError("RuntimeError: it tripped"), is_internal=True))
    assert farm.job("film").state is JobState.CANCEL_REQUESTED
    while farm.waiting["r0"]:
        farm.stop()
    assert farm.job("film").state is JobState.CANCELLED


def test_what_cannot_be_had_fails_no_job_that_rests() -> None:
    farm = HandDrivenFarm()
    farm.submit("film", hold=ON_HOLD, motion_merged=True)
    farm.tell(Broken("film", FarmError("the speech is gone")))
    assert farm.job("film").state is JobState.HELD
