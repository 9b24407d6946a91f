"""What goes before its turn is seen: each test lets the scheduler do what it must not."""

from __future__ import annotations

from typing import Any

import pytest

from farm.scheduling import dispatch, suspects
from farm.scheduling.dispatch import Choice, waiting_choice
from farm.scheduling.job import JobEntry
from farm.scheduling.messages import Purpose
from farm.scheduling.state import FarmState
from farm.simulation.simulator import InvariantBroken, Simulator
from farm.simulation.turn_audit import TurnAudit
from jobs.lifecycle import JobState
from jobs.simulation_spec import SimulationSpec


def two_studios(**spec: Any) -> Simulator:
    jobs = [
        {"name": studio, "studio": studio, "subject": studio, "segments": 40} for studio in ("north", "south")
    ]
    return Simulator(SimulationSpec.model_validate({"jobs": jobs, "audited": True, "longest": 300.0, **spec}))


def test_a_run_in_turn_is_sound() -> None:
    two_studios(pool={"replicas": 2}).run()


def test_a_job_further_ahead_than_it_may_be_is_seen() -> None:
    run = two_studios(pool={"replicas": 1, "warm_lead": 8.0})
    strict = run.farm.model_copy(update={"pool": run.farm.pool.model_copy(update={"warm_lead": 2.0})})
    run.turns = TurnAudit(run.scheduler, rules=strict)
    with pytest.raises(InvariantBroken, match=r"segments ahead of the turn, of 2"):
        run.run()


@pytest.mark.parametrize("purpose", [Purpose.TURN, Purpose.WARM])
def test_whoever_is_chosen_out_of_turn_is_seen(monkeypatch: pytest.MonkeyPatch, purpose: Purpose) -> None:
    """The newest job is always served, and said to be in turn, or to have its subject loaded."""

    def newest(farm: FarmState) -> Choice | None:
        choice = waiting_choice(farm)
        if choice is None:
            return None
        return max(filter(farm.is_open, farm.jobs.values()), key=lambda job: job.number), choice[1], purpose

    monkeypatch.setattr(dispatch, "waiting_choice", newest)
    with pytest.raises(InvariantBroken, match=r"ahead of the turn|not in turn"):
        two_studios(pool={"replicas": 1}).run()


def test_a_job_that_many_pass_who_are_not_far_ahead_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dispatch, "stands_back", lambda farm, job: job.state is not JobState.QUEUED)
    long = {"name": "long", "studio": "north", "subject": "a", "segments": 40}
    warm = [{**long, "name": f"warm-{number}", "subject": "b"} for number in range(8)]
    with pytest.raises(InvariantBroken, match="passed often enough"):
        two_studios(pool={"replicas": 1}, jobs=[long, *warm]).run()


def test_a_stricter_tier_that_is_passed_over_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    def first_come(farm: FarmState) -> Choice | None:
        choice = waiting_choice(farm)
        return (next(filter(farm.is_open, farm.jobs.values())), *choice[1:]) if choice else None

    monkeypatch.setattr(dispatch, "waiting_choice", first_come)
    urgent = {
        "name": "spot",
        "studio": "south",
        "subject": "b",
        "segments": 2,
        "tier": "interactive",
        "at": 30,
    }
    long = {"name": "film", "studio": "north", "subject": "a", "segments": 40}
    with pytest.raises(InvariantBroken, match="before a stricter tier"):
        two_studios(pool={"replicas": 1}, jobs=[long, urgent]).run()


def test_a_suspect_that_goes_before_a_stricter_tier_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    def any_suspect(farm: FarmState) -> tuple[JobEntry, int] | None:
        due = ((farm.jobs[name], farm.jobs[name].suspect_to_run(farm.now)) for name in farm.suspects)
        return next(((job, segment) for job, segment in due if segment is not None), None)

    train = {"name": "train", "studio": "south", "subject": "b", "segments": 1, "tier": "training"}
    urgent = {"name": "urgent", "studio": "north", "subject": "a", "segments": 200, "tier": "interactive"}
    jobs = [{**train, "poison": [0], "segment_seconds": 1.0}, {**urgent, "at": 7.0}]

    def run() -> None:
        two_studios(pool={"replicas": 1, "start": 4.0, "load": 0.0}, jobs=jobs).run()

    run()
    monkeypatch.setattr(suspects, "_next_suspect", any_suspect)
    with pytest.raises(InvariantBroken, match="before a stricter tier"):
        run()
