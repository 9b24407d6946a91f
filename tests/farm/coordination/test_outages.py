"""What the farm needs is away for minutes: jobs wait for it, and say so, as long as the farm's patience lasts."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from small_farm import SmallFarm

from farm.coordination import new_jobs, recovery
from farm.coordination.background import BackgroundWork, WorkKind
from farm.coordination.coordinator import FarmCoordinator
from farm.destinations import check_destination
from farm.finishing import Finisher
from farm.scheduling import failure_policy
from farm.scheduling.failure_policy import Patience
from infra.storage import open_store
from jobs.errors import FarmError, InfrastructureError, OutputUnwritable, Retry, StoreError
from jobs.farm_requests import CancelRequest, PauseRequest, WhyRequest
from jobs.farm_spec import FarmSpec
from jobs.lifecycle import JobState


@pytest.fixture
def farm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SmallFarm:
    """A farm with one short job, that waits for hundredths of a second."""
    monkeypatch.setattr(failure_policy, "FIRST_WAIT_S", 0.01)
    small = SmallFarm(tmp_path / "farm")
    small.speak("hello.wav", seconds=3.0)
    return small


def away(work: Callable[..., Any], *, times: int, error: type[FarmError] = StoreError) -> Callable[..., Any]:
    """The work, which meets a store that does not answer so many times first."""
    failures = iter(range(times))

    def interrupted(*arguments: Any, **options: Any) -> Any:
        if next(failures, None) is not None:
            raise error("S3 cannot be reached: ConnectionClosedError", where="store", retry=Retry.LATER)
        return work(*arguments, **options)

    return interrupted


@pytest.mark.parametrize("error", [StoreError, OutputUnwritable, InfrastructureError])
def test_a_job_that_cannot_be_planned_for_a_while_is_planned_then(
    farm: SmallFarm, monkeypatch: pytest.MonkeyPatch, error: type[FarmError]
) -> None:
    monkeypatch.setattr(new_jobs, "plan_job", away(new_jobs.plan_job, times=5, error=error))
    name = farm.submit()
    farm.run()
    assert farm.job(name).state is JobState.SUCCEEDED


def test_neither_ends_a_job_of_an_earlier_run(farm: SmallFarm, monkeypatch: pytest.MonkeyPatch) -> None:
    name = farm.submit()
    farm.run(until=lambda: farm.renders() >= 1)
    monkeypatch.setattr(recovery, "plan_job", away(recovery.plan_job, times=5))
    farm.run()
    assert farm.job(name).state is JobState.SUCCEEDED
    assert farm.renders() == 2


def test_a_master_that_cannot_be_delivered_for_a_while_is_delivered_then(
    farm: SmallFarm, monkeypatch: pytest.MonkeyPatch
) -> None:
    second = [0, 0, 0]
    finish = Finisher.finish

    def of_the_second(self: Finisher, *, take: int, **options: Any) -> Any:
        second[take] += 1
        if take == 2 and second[2] < 4:
            raise OutputUnwritable(
                "S3 answered SlowDown, 7 times", where="spec.output.uri", retry=Retry.LATER
            )
        return finish(self, take=take, **options)

    monkeypatch.setattr(Finisher, "finish", of_the_second)
    name = farm.submit(takes=2)
    farm.run()
    assert farm.job(name).state is JobState.SUCCEEDED
    assert farm.master(take=1).exists()
    assert farm.master(take=2).exists()
    assert second == [0, 1, 4], "what was delivered is not delivered again"


def test_patience_ends_and_the_job_fails_with_what_happened(
    farm: SmallFarm, monkeypatch: pytest.MonkeyPatch
) -> None:
    farm.rules = farm.rules.model_copy(update={"patience": 0.1})
    monkeypatch.setattr(new_jobs, "plan_job", away(new_jobs.plan_job, times=10_000))
    name = farm.submit()
    farm.run()
    error = farm.job(name).error
    assert farm.job(name).state is JobState.FAILED
    assert error is not None
    assert "ConnectionClosedError" in error["message"]


def test_what_is_no_outage_is_told_at_once(farm: SmallFarm, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(*_: Any, **__: Any) -> Any:
        raise StoreError("S3 answered AccessDenied", where="store", code="store_denied")

    monkeypatch.setattr(new_jobs, "plan_job", denied)
    name = farm.submit()
    farm.run(steps=100)
    assert farm.job(name).state is JobState.FAILED


def test_whoever_asks_is_told_what_it_waits_for_and_may_cancel(
    farm: SmallFarm, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = farm.submit()
    with monkeypatch.context() as patch:
        patch.setattr(new_jobs, "plan_job", away(new_jobs.plan_job, times=10_000))
        with farm.running() as coordinator:
            told = _asked_in_trouble(farm, coordinator, name)
            assert told.startswith("Its planning waits")
            assert "ConnectionClosedError" in told
            farm.ask(CancelRequest(job=name))
            coordinator.run_until(lambda: coordinator.is_idle)
    assert farm.job(name).state is JobState.CANCELLED

    name = farm.submit()
    monkeypatch.setattr(Finisher, "finish", away(Finisher.finish, times=10_000))
    with farm.running() as coordinator:
        told = _asked_in_trouble(farm, coordinator, name)
        assert told.startswith("Its master waits")
        assert "ConnectionClosedError" in told
        farm.ask(CancelRequest(job=name))
        coordinator.run_until(lambda: coordinator.is_idle)
    assert farm.job(name).state is JobState.CANCELLED


def test_a_job_of_an_earlier_run_may_be_asked_about_and_cancelled_meanwhile(
    farm: SmallFarm, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = farm.submit()
    farm.run(until=lambda: farm.renders() >= 1)
    monkeypatch.setattr(recovery, "plan_job", away(recovery.plan_job, times=10_000))
    with farm.running() as coordinator:
        told = _asked_in_trouble(farm, coordinator, name)
        assert told.startswith("Its planning waits")
        numbers = [farm.ask(PauseRequest(job=name)), farm.ask(CancelRequest(job=name))]
        coordinator.run_until(lambda: coordinator.is_idle)
        numbers.append(farm.ask(WhyRequest(job=name)))
        coordinator.run_until(lambda: coordinator.is_idle)
    refusal = farm.answer(numbers[0]).error
    assert refusal is not None
    assert refusal["code"] == "wrong_state", "it waited for the planning, and met the end"
    assert farm.answer(numbers[1]).error is None
    assert farm.answer(numbers[2]).text.startswith("It is cancelled")
    assert farm.job(name).state is JobState.CANCELLED
    monkeypatch.undo()
    farm.run()
    assert farm.job(name).state is JobState.CANCELLED


def _asked_in_trouble(farm: SmallFarm, coordinator: FarmCoordinator, name: str) -> str:
    def in_trouble() -> bool:
        state = coordinator.state
        work = state.planning.get(name) or state.finishing.get(name) or state.restoring.get(name)
        return work is not None and work.patience.error is not None

    coordinator.run_until(in_trouble)
    number = farm.ask(WhyRequest(job=name))
    coordinator.run_until(lambda: farm.journal.answer_to(number) is not None)
    return farm.answer(number).text


def test_waits_grow_and_the_last_try_is_at_the_end_of_the_patience() -> None:
    now = [0.0]
    patient = Patience(limit_s=60.0, clock=lambda: now[0])
    outage, waits = StoreError("away", retry=Retry.LATER), list[float]()
    while (wait_s := patient.wait_s(outage)) is not None:
        waits.append(wait_s)
        now[0] += wait_s
    assert waits == [1.0, 2.0, 4.0, 8.0, 15.0, 15.0, 15.0]
    assert sum(waits) == 60.0
    assert Patience(limit_s=0.0).wait_s(outage) is None
    assert FarmSpec().patience == 900.0


def test_background_work_begins_what_comes_later_when_it_is_due_and_nothing_once_it_is_closed() -> None:
    background, results = BackgroundWork(), list[Any]()
    begun = time.monotonic()
    background.ask(lambda: 7, results.append, kind=WorkKind.PLAN, after_s=0.2)
    background.ask(lambda: 8, results.append, kind=WorkKind.PLAN, after_s=60.0)
    while not results:
        assert not background.is_idle
        background.deliver()
        time.sleep(0.01)
    assert time.monotonic() - begun >= 0.2
    background.close()
    assert background.is_idle
    assert results == [7]


@pytest.mark.parametrize(
    ("number", "is_outage"), [(errno.ESTALE, True), (errno.EIO, True), (errno.EACCES, False)]
)
def test_a_shared_disk_that_does_not_answer_is_an_outage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, is_outage: bool
) -> None:
    def fail(*_: Any, **__: Any) -> Any:
        raise OSError(number, os.strerror(number))

    store = open_store(str(tmp_path / "store"))
    with monkeypatch.context() as patch:
        patch.setattr(os, "link", fail)
        with pytest.raises(StoreError) as caught:
            store.put_if_absent("renders/a.mp4", b"data")
    assert (caught.value.retry is Retry.LATER) is is_outage
    with monkeypatch.context() as patch:
        patch.setattr(Path, "mkdir", fail)
        with pytest.raises(OutputUnwritable) as refused:
            check_destination(tmp_path / "new" / "a.mp4", where="spec.output.uri")
    assert (refused.value.retry is Retry.LATER) is is_outage
