"""A job whose budget is spent goes on with a larger one; with none, or one that changes nothing, nobody is told so."""

from __future__ import annotations

import math
import re
from pathlib import Path

import pytest
from pydantic import ValidationError
from small_farm import SmallFarm

from jobs.farm_requests import PauseRequest, ResumeRequest
from jobs.farm_spec import FarmPool, FarmSpec
from jobs.journal_events import AccountNoted
from jobs.lifecycle import JobState, SegmentState


@pytest.fixture
def farm(tmp_path: Path) -> SmallFarm:
    """A farm whose segments take two seconds by its books, and one hundredth in truth."""
    farm = SmallFarm(tmp_path / "farm", seconds_per_segment=0.01)
    farm.rules = FarmSpec(pool=FarmPool(first_cost=2.0))
    return farm


@pytest.mark.parametrize("seconds", [math.inf, -math.inf, math.nan, 0.0, -1.0, 1e12])
def test_what_is_no_budget_cannot_be_asked_for(seconds: float) -> None:
    with pytest.raises(ValidationError):
        ResumeRequest(job="hello-1", max_gpu_seconds=seconds)


@pytest.mark.parametrize("seconds", [math.inf, math.nan])
def test_a_budget_that_json_cannot_hold_is_never_noted(seconds: float) -> None:
    with pytest.raises(ValidationError):
        AccountNoted(job="hello-1", spent=1.0, max_gpu_seconds=seconds)


@pytest.mark.parametrize("more", [None, 1.5], ids=["with no other budget", "with one that is too small"])
def test_a_held_job_is_not_resumed_with_what_holds_it_again_at_once(
    farm: SmallFarm, more: float | None
) -> None:
    name = farm.submit(scheduling={"max_gpu_seconds": 1.0})
    farm.run()
    assert farm.job(name).state is JobState.HELD
    resumed = farm.ask(ResumeRequest(job=name, max_gpu_seconds=more))
    farm.run()
    error = farm.answer(resumed).error
    assert error is not None
    assert error["code"] == "budget_too_small"
    assert error["where"] == name
    assert farm.job(name).state is JobState.HELD
    named = re.search(r"--max-gpu-seconds (\d+)", error["hint"])
    assert named is not None
    assert named[1] == "2"
    resumed = farm.ask(ResumeRequest(job=name, max_gpu_seconds=float(named[1])))
    with farm.running() as coordinator:
        coordinator.run_until(lambda: farm.job(name).segments.count(SegmentState.COMMITTED) > 0)
    assert farm.answer(resumed).error is None


def test_a_paused_job_is_not_resumed_without_the_budget_for_a_segment(tmp_path: Path) -> None:
    # On a slow machine a small budget would be spent, and the job held, before the pause.
    farm = SmallFarm(tmp_path / "farm", seconds_per_segment=0.01)
    name = farm.submit(scheduling={"max_gpu_seconds": 1000.0})
    with farm.running() as coordinator:
        coordinator.run_until(lambda: name in coordinator.state.scheduler.jobs)
        farm.ask(PauseRequest(job=name))
        coordinator.run_until(lambda: farm.job(name).state is JobState.PAUSED)
        spent = coordinator.state.scheduler.jobs[name].spent
        resumed = farm.ask(ResumeRequest(job=name, max_gpu_seconds=spent + 1e-6))
        coordinator.run_until(lambda: farm.journal.answer_to(resumed) is not None)
    error = farm.answer(resumed).error
    assert error is not None
    assert error["code"] == "budget_too_small"


def test_a_job_that_lacks_only_its_masters_needs_no_budget(farm: SmallFarm) -> None:
    farm.submit()
    farm.run()
    name = farm.submit(on_hold=True, scheduling={"max_gpu_seconds": 0.001})
    farm.run()
    assert farm.job(name).state is JobState.HELD
    assert farm.job(name).counts() == {SegmentState.COMMITTED: 5}, "the store has them"
    resumed = farm.ask(ResumeRequest(job=name))
    farm.run()
    assert farm.answer(resumed).error is None
    assert farm.job(name).state is JobState.SUCCEEDED
