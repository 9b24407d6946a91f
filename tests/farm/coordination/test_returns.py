"""What people decided about a job, and why it waits, outlives the farm: also where the job cannot be planned again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from fake_stages import Fault
from held_background import HeldBackground
from small_farm import SmallFarm

from farm.asking import refusal_of
from farm.coordination import recovery
from farm.scheduling import failure_policy
from jobs.errors import Retry, SpecError, StoreError
from jobs.farm_requests import CancelRequest, PauseRequest, ResumeRequest, RetryRequest, WaiveRequest
from jobs.farm_spec import FarmPool, FarmSpec
from jobs.lifecycle import JobState, SegmentState
from jobs.reasons import ReasonKind

NEVER = Fault(stage="render", frame=100, kind="raise", times=2)


def unreachable(*_: Any, **__: Any) -> Any:
    raise StoreError("S3 cannot be reached", where="store", retry=Retry.LATER)


def failed_farm(folder: Path) -> tuple[SmallFarm, str]:
    """A farm, and its job that failed with its third segment."""
    farm = SmallFarm(folder, faults=(NEVER,))
    name = farm.submit()
    farm.run()
    assert farm.job(name).state is JobState.FAILED
    assert farm.job(name).segments[2] is SegmentState.QUARANTINED
    return farm, name


def test_what_is_waived_stays_so_when_the_job_cannot_be_planned_again_and_is_retried_later(
    farm: SmallFarm,
) -> None:
    name = farm.submit(on_hold=True)
    farm.run()
    farm.ask(WaiveRequest(job=name, first_frame=100, stop_frame=150))
    farm.run()
    assert farm.job(name).segments[2] is SegmentState.WAIVED
    farm.speak("hello.wav", seconds=9.0, pitch=440.0)
    farm.run()
    assert farm.job(name).state is JobState.FAILED
    assert farm.job(name).segments[2] is SegmentState.WAIVED
    farm.speak("hello.wav", seconds=9.0)
    farm.ask(RetryRequest(job=name))
    farm.run()
    assert farm.job(name).state is JobState.SUCCEEDED
    assert [gap["index"] for gap in farm.manifest()["filled"]] == [2]


def test_a_job_that_is_cancelled_before_it_is_planned_again_keeps_what_is_known_of_its_segments(
    farm: SmallFarm, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(failure_policy, "FIRST_WAIT_S", 0.01)
    name = farm.submit()
    farm.run(until=lambda: SegmentState.COMMITTED in farm.job(name).segments if farm.renders() else False)
    committed = farm.job(name).segments.count(SegmentState.COMMITTED)
    monkeypatch.setattr(recovery, "plan_job", unreachable)
    with farm.running() as coordinator:
        coordinator.run_until(lambda: coordinator.state.restoring[name].patience.error is not None)
        farm.ask(CancelRequest(job=name))
        coordinator.run_until(lambda: coordinator.is_idle)
    assert farm.job(name).state is JobState.CANCELLED
    assert farm.job(name).segments.count(SegmentState.COMMITTED) >= committed


def test_a_retry_that_was_answered_outlives_the_farm_before_the_job_is_planned_again(tmp_path: Path) -> None:
    farm, name = failed_farm(tmp_path / "farm")
    retry = farm.ask(RetryRequest(job=name))
    with farm.running(background=HeldBackground(holds=frozenset({"plan_job"}))) as coordinator:
        coordinator.run_until(lambda: farm.journal.answer_to(retry) is not None)
    assert farm.answer(retry).error is None
    assert farm.job(name).state is JobState.QUEUED
    farm.run()
    assert farm.job(name).state is JobState.SUCCEEDED


def test_a_retry_whose_planning_fails_at_once_can_be_retried(tmp_path: Path) -> None:
    farm, name = failed_farm(tmp_path / "farm")
    farm.speak("hello.wav", seconds=9.0, pitch=440.0)
    farm.ask(RetryRequest(job=name))
    # What is asked is planned in the same turn, before anything of it is written.
    with farm.running(background=HeldBackground()) as coordinator:
        coordinator.run_until(lambda: coordinator.is_idle)
    assert farm.job(name).state is JobState.FAILED
    assert SegmentState.QUARANTINED not in farm.job(name).segments
    assert farm.job(name).segments.count(SegmentState.COMMITTED) > 0
    farm.speak("hello.wav", seconds=9.0)
    farm.ask(RetryRequest(job=name))
    farm.run()
    assert farm.job(name).state is JobState.SUCCEEDED


def test_a_job_that_is_held_for_its_budget_says_so_in_every_later_run(tmp_path: Path) -> None:
    farm = SmallFarm(tmp_path / "farm", seconds_per_segment=0.2)
    farm.rules = FarmSpec(pool=FarmPool(first_cost=0.2))
    name = farm.submit(scheduling={"max_gpu_seconds": 0.5})
    farm.run()
    told = farm.why(name)
    assert "GPU seconds are spent" in told
    for _ in range(2):
        assert farm.why(name) == told
        job = farm.job(name)
        assert job.state is JobState.HELD
        assert job.reason is not None
        assert job.reason.kind is ReasonKind.BUDGET


def test_a_job_on_hold_says_so_in_every_later_run(farm: SmallFarm) -> None:
    name = farm.submit(on_hold=True)
    farm.run()
    for _ in range(3):
        assert farm.why(name) == "It is held: it was submitted on hold."
        reason = farm.job(name).reason
        assert reason is not None
        assert reason.kind is ReasonKind.USER


def test_what_is_asked_while_no_farm_runs_waits_until_the_job_is_planned(farm: SmallFarm) -> None:
    name = farm.submit()
    first = farm.ask(PauseRequest(job=name))
    with farm.running(background=HeldBackground(holds=frozenset({"plan_job"}))) as coordinator:
        coordinator.run_until(lambda: name in farm.journal_jobs())
        for _ in range(5):
            coordinator.step()
    assert farm.journal.answer_to(first) is None, "the job of a new submit"
    with farm.running(background=HeldBackground(holds=frozenset({"plan_job"}))) as coordinator:
        for _ in range(5):
            coordinator.step()
    assert farm.journal.answer_to(first) is None, "the job of an earlier run"
    farm.run()
    assert farm.answer(first).error is None
    assert farm.job(name).state is JobState.PAUSED


def test_a_take_that_was_waived_wholly_is_rendered_by_a_retry(farm: SmallFarm) -> None:
    name = farm.submit(on_hold=True)
    farm.ask(WaiveRequest(job=name, first_frame=0, stop_frame=10_000))
    farm.ask(ResumeRequest(job=name))
    farm.run()
    error = farm.job(name).error
    assert error is not None
    assert error["code"] == "nothing_rendered"
    farm.ask(RetryRequest(job=name))
    farm.run()
    assert farm.job(name).state is JobState.SUCCEEDED
    assert "filled" not in farm.manifest() or not farm.manifest()["filled"]


def test_a_job_that_is_held_for_what_the_store_holds_by_now_goes_on(tmp_path: Path) -> None:
    held = SmallFarm(tmp_path / "held", faults=(NEVER,))
    name = held.submit(scheduling={"on_quarantine": "hold"})
    held.run()
    assert held.job(name).state is JobState.HELD
    held.run()
    assert held.job(name).state is JobState.HELD, "a restart alone changes nothing"
    held.submit(output={"uri": "elsewhere/hello.mp4"})
    held.run()
    held.run()
    assert held.job(name).state is JobState.SUCCEEDED


def test_gaps_that_were_filled_count_after_a_restart_as_well(tmp_path: Path) -> None:
    first = Fault(stage="render", frame=50, kind="raise", times=2)
    never = Fault(stage="render", frame=200, kind="raise", times=9)
    farm = SmallFarm(tmp_path / "farm", faults=(first, never), replicas=1)
    name = farm.submit(scheduling={"on_quarantine": "fill", "max_failed_segments": 1})
    farm.run(until=lambda: name in farm.journal_jobs() and bool(farm.job(name).filled))
    farm.run()
    assert farm.job(name).state is JobState.FAILED
    assert "2 segments were given up, more than 1" in str(farm.job(name).error)


def test_why_a_job_was_never_taken_in_can_be_asked_by_the_name_that_it_would_have_had(
    farm: SmallFarm,
) -> None:
    refused, taken = farm.submit(sede=7), farm.submit()
    farm.run()
    error = refusal_of(farm.journal, refused)
    assert isinstance(error, SpecError)
    assert [mistake.path for mistake in error.mistakes] == ["spec.sede"]
    assert refusal_of(farm.journal, taken) is None
    assert refusal_of(farm.journal, f"other-{refused.rpartition('-')[2]}") is None
