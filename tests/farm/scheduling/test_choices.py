"""A job that waits for a choice: nothing of it is leased before, and it says what it waits for."""

from __future__ import annotations

import pytest
from hand_driven_farm import ON_HOLD, HandDrivenFarm

from farm.scheduling.messages import Broken, Chosen, Expire, RequestRefused, UserEvent
from farm.scheduling.why import WaitCode
from jobs.errors import InputError
from jobs.farm_requests import CancelRequest, PauseRequest, ResumeRequest, RetryRequest
from jobs.lifecycle import JobState
from jobs.reasons import ReasonKind


def test_no_segment_is_leased_before_the_choice_and_all_are_after_it() -> None:
    farm = HandDrivenFarm()
    farm.submit("film", segments=2, awaits_choice=True)
    assert (farm.job("film").state, farm.held()) == (JobState.HELD, [])
    assert farm.scheduler.why_waiting("film").code is WaitCode.CHOICE
    farm.tell(Chosen("film"))
    assert [farm.succeed().segment for _ in range(2)] == [0, 1]


def test_a_job_on_hold_waits_for_its_resume_and_then_for_its_choice() -> None:
    farm = HandDrivenFarm()
    farm.submit("film", awaits_choice=True, hold=ON_HOLD)
    assert farm.scheduler.why_waiting("film").code is WaitCode.ON_HOLD
    farm.tell(ResumeRequest(job="film"))
    assert farm.scheduler.why_waiting("film").code is WaitCode.CHOICE


def test_a_choice_before_the_resume_leaves_the_job_on_hold() -> None:
    farm = HandDrivenFarm()
    farm.submit("film", awaits_choice=True, hold=ON_HOLD)
    farm.tell(Chosen("film"))
    assert (farm.job("film").state, farm.held()) == (JobState.HELD, [])
    farm.tell(ResumeRequest(job="film"))
    assert farm.held()


def test_a_restored_job_waits_for_its_choice_again() -> None:
    farm = HandDrivenFarm()
    farm.restore("film", awaits_choice=True)
    assert farm.job("film").is_held_for_choice


def test_what_its_takes_are_drawn_from_may_be_gone_and_come_back() -> None:
    farm = HandDrivenFarm()
    farm.submit("film", awaits_choice=True)
    farm.tell(Broken("film", InputError("it is gone")))
    assert farm.job("film").state is JobState.FAILED
    farm.tell(RetryRequest(job="film"))
    assert farm.job("film").is_held_for_choice


@pytest.mark.parametrize(
    ("event", "code"),
    [
        (PauseRequest(job="film"), "wrong_state"),
        (ResumeRequest(job="film"), "choice_wanted"),
        (RetryRequest(job="film"), "nothing_to_retry"),
    ],
)
def test_nothing_else_than_a_choice_goes_on_with_it(event: UserEvent, code: str) -> None:
    farm = HandDrivenFarm()
    farm.submit("film", awaits_choice=True)
    with pytest.raises(RequestRefused) as refused:
        farm.tell(event)
    assert refused.value.code == code
    assert "farm choose JOB TAKE" in refused.value.hint
    assert farm.job("film").is_held_for_choice


def test_a_choice_that_nobody_awaits_is_refused() -> None:
    farm = HandDrivenFarm()
    farm.submit("film", segments=1)
    with pytest.raises(RequestRefused, match="waits for no choice"):
        farm.tell(Chosen("film"))


@pytest.mark.parametrize(
    ("event", "state"), [(CancelRequest(job="film"), JobState.CANCELLED), (Expire("film"), JobState.EXPIRED)]
)
def test_a_job_whose_wait_has_ended_takes_no_choice(event: UserEvent, state: JobState) -> None:
    farm = HandDrivenFarm()
    farm.submit("film", awaits_choice=True)
    farm.tell(event)
    assert farm.job("film").state is state
    with pytest.raises(RequestRefused) as refused:
        farm.tell(Chosen("film"))
    assert refused.value.code == "not_open"


def test_the_journal_is_told_that_it_waits_for_a_choice() -> None:
    farm = HandDrivenFarm()
    farm.submit("film", awaits_choice=True)
    assert farm.moves[-1].reason.kind is ReasonKind.CHOICE
