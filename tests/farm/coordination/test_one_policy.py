"""What an error says of trying again is what becomes of a window, a face or a segment, and all of a farm says why."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from small_farm import SmallFarm

from farm.cli import main
from farm.coordination import upstream
from farm.coordination.coordinator import FarmCoordinator
from farm.coordination.standing import standing
from farm.execution.pools.messages import Refused
from farm.execution.replica import Replica
from farm.scheduling import failure_policy
from farm.scheduling.units import RENDER_STAGES, Stage
from infra.storage.folder import FolderStore
from jobs.errors import (
    FarmError,
    InfrastructureError,
    InputError,
    Retry,
    SegmentFailed,
    StoreError,
    StoreUnavailable,
)
from jobs.farm_spec import FarmPool, FarmSpec
from jobs.lifecycle import JobState

AWAY = StoreUnavailable(
    "S3 cannot be reached, 7 times", where="renders/a", hint="check the network", code="store_unreachable"
)


@pytest.fixture
def farm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SmallFarm:
    """A farm with one short job, that waits for hundredths of a second."""
    monkeypatch.setattr(failure_policy, "FIRST_WAIT_S", 0.01)
    small = SmallFarm(tmp_path / "farm")
    small.speak("hello.wav", seconds=3.0)
    small.rules = impatient(small.rules, patience=30.0)
    return small


def impatient(rules: FarmSpec, *, patience: float) -> FarmSpec:
    pool = rules.pool.model_copy(update={"backoff": 0.02})
    return rules.model_copy(update={"patience": patience, "pool": pool})


def commits_meet(
    monkeypatch: pytest.MonkeyPatch, error: FarmError, *, times: int = 10**6, only: Callable[[str], bool]
) -> None:
    put, left = FolderStore.put_if_absent, iter(range(times))

    def refuse(self: FolderStore, key: str, data: Any, **options: Any) -> Any:
        if key.endswith(".mp4") and only(key) and next(left, None) is not None:
            raise error
        return put(self, key, data, **options)

    monkeypatch.setattr(FolderStore, "put_if_absent", refuse)


def tasks_meet(
    monkeypatch: pytest.MonkeyPatch, error: FarmError, *, stage: Stage, times: int = 10**6
) -> list[str]:
    """Of each task that met it: where it ran."""
    perform, left, met = Replica.perform, iter(range(times)), list[str]()

    def refuse(self: Replica, task: Any) -> Any:
        if self._stage is stage and next(left, None) is not None:
            met.append(f"{id(self)}")
            return Refused(key=task.key, error=error, seconds=0.1)
        return perform(self, task)

    monkeypatch.setattr(Replica, "perform", refuse)
    return met


@pytest.mark.parametrize(
    "error",
    [
        StoreError("S3 answered AccessDenied", code="store_denied", hint="check the AWS_* credentials"),
        StoreError("S3 answered ExpiredToken", code="store_denied", hint="the token has expired: renew it"),
        StoreError("no file can be linked into the store", code="store_without_links", hint="use s3://"),
    ],
)
def test_a_store_that_refuses_ends_its_job_at_once_with_its_own_words_and_other_jobs_go_on(
    farm: SmallFarm, monkeypatch: pytest.MonkeyPatch, error: StoreError
) -> None:
    poor = farm.submit("poor")
    with farm.running() as coordinator:
        coordinator.run_until(lambda: poor in coordinator.state.runs)
        prefix = coordinator.state.runs[poor].plan.prefix
        commits_meet(monkeypatch, error, only=lambda key: key.startswith(prefix))
        good = farm.submit("good", seed=2)
        coordinator.run_until(lambda: coordinator.is_idle)
    told = farm.job(poor).error
    assert told is not None
    assert (told["code"], told["message"], told["hint"], told["exit_code"], told["retry"]) == (
        error.code,
        error.message,
        error.hint,
        5,
        "never",
    )
    assert farm.job(good).state is JobState.SUCCEEDED
    assert error.code in farm.why(poor)


def test_a_store_that_does_not_answer_is_named_everywhere_and_waited_for(
    farm: SmallFarm, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FARM_JOURNAL", farm.journal_address)
    name = farm.submit()
    with monkeypatch.context() as patch:
        commits_meet(patch, AWAY, only=lambda key: True)
        with farm.running() as coordinator:
            waits_until_told(farm, coordinator, name)
            assert AWAY.line() in standing(coordinator.state, name).sentence
            told = status(name, capsys)
            assert (told["code"], told["waits"]["error"]["hint"]) == (AWAY.code, AWAY.hint)
            assert AWAY.message in told["reason"]
            assert "store_unreachable" in shown(["list"], capsys)
            assert "store_unreachable" in shown(["journal", "show"], capsys)
            patch.undo()
            coordinator.run_until(lambda: coordinator.is_idle)
    assert farm.job(name).state is JobState.SUCCEEDED
    assert farm.job(name).waits is None
    assert status(name, capsys)["waits"] is None


@pytest.mark.parametrize("stage", RENDER_STAGES)
@pytest.mark.parametrize(
    "error",
    [
        AWAY,
        InputError("its host does not answer", code="subject_unreachable", retry=Retry.LATER),
    ],
)
def test_what_does_not_answer_ends_the_job_with_its_own_error_once_patience_is_over(
    farm: SmallFarm, monkeypatch: pytest.MonkeyPatch, stage: Stage, error: FarmError
) -> None:
    farm.rules = impatient(farm.rules, patience=0.3)
    met = tasks_meet(monkeypatch, error, stage=stage)
    name = farm.submit()
    farm.run()
    told = farm.job(name).error
    assert told is not None
    assert (told["code"], told["message"], told["retry"]) == (error.code, error.message, "later")
    assert len(met) > 2, "it was tried again meanwhile"


@pytest.mark.parametrize("stage", [Stage.MOTION, Stage.FACE])
def test_a_window_or_face_that_waits_says_why_and_is_charged_to_nobody(
    farm: SmallFarm, monkeypatch: pytest.MonkeyPatch, stage: Stage
) -> None:
    name = farm.submit()
    with monkeypatch.context() as patch:
        tasks_meet(patch, AWAY, stage=stage)
        with farm.running() as coordinator:
            waits_until_told(farm, coordinator, name)
            run = coordinator.state.runs[name]
            coordinator.run_until(lambda: run.patience.failures > 6)
            assert AWAY.line() in standing(coordinator.state, name).sentence
            patch.undo()
            coordinator.run_until(lambda: coordinator.is_idle)
    assert farm.job(name).state is JobState.SUCCEEDED


@pytest.mark.parametrize("stage", RENDER_STAGES)
def test_what_a_stage_reports_again_and_again_is_given_up_within_one_budget(
    farm: SmallFarm, monkeypatch: pytest.MonkeyPatch, stage: Stage
) -> None:
    farm.rules = farm.rules.model_copy(update={"pool": FarmPool(max_failures=3, max_tries_failed=3)})
    error = SegmentFailed("it is black", where="take 1", hint="look at it", code="render_black")
    met = tasks_meet(monkeypatch, error, stage=stage)
    name = farm.submit()
    farm.run()
    told = farm.job(name).error
    assert told is not None
    assert (told["code"], told["hint"]) == (error.code, error.hint)
    assert "failed 3 times" in told["message"]
    assert stage is not Stage.MOTION or len(met) == 3


@pytest.mark.parametrize("stage", RENDER_STAGES)
def test_what_machine_after_machine_fails_over_is_given_up_after_a_trial_alone(
    farm: SmallFarm, monkeypatch: pytest.MonkeyPatch, stage: Stage
) -> None:
    met = tasks_meet(monkeypatch, InfrastructureError("out of memory"), stage=stage)
    name = farm.submit()
    farm.run()
    told = farm.job(name).error
    assert told is not None
    assert told["message"].startswith("alone on a fresh replica: 3 replicas were lost")
    assert told["exit_code"] == 6
    assert stage is not Stage.MOTION or len(met) == 3


def test_a_window_that_may_be_what_kills_replicas_waits_for_a_fresh_one_and_runs_alone(
    farm: SmallFarm, monkeypatch: pytest.MonkeyPatch
) -> None:
    farm.speak("hello.wav", seconds=20.0)
    name = farm.submit()
    tasks_meet(monkeypatch, InfrastructureError("out of memory"), stage=Stage.MOTION, times=2)
    seen: list[tuple[bool, int]] = []
    with farm.running() as coordinator:
        while not coordinator.is_idle:
            coordinator.step()
            helpers = coordinator.state.helpers[Stage.MOTION].values()
            seen += [(helper.is_alone, len(helper.keys)) for helper in helpers]
    assert farm.job(name).state is JobState.SUCCEEDED
    assert (True, 1) in seen
    assert (True, 2) not in seen, "nothing waits behind it"
    assert (False, 2) in seen


def test_a_fresh_helper_that_others_took_is_followed_by_another_for_the_suspect(
    farm: SmallFarm, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = farm.submit()
    tasks_meet(monkeypatch, InfrastructureError("out of memory"), stage=Stage.MOTION, times=2)
    fresh, taken = upstream._fresh, iter(range(2))
    # Another job's windows come first twice.
    monkeypatch.setattr(
        upstream, "_fresh", lambda helpers: None if next(taken, None) is not None else fresh(helpers)
    )
    with farm.running() as coordinator:
        coordinator.run_until(lambda: coordinator.is_idle)
        assert list(coordinator.state.helpers[Stage.MOTION]) == ["motion-5"], "two died, two were worn"
    assert farm.job(name).state is JobState.SUCCEEDED


@pytest.mark.parametrize(
    ("pool", "says"), [({"stall": 5.0}, "no progress"), ({"run_timeout": 7.0}, "it ran")]
)
def test_a_window_that_hangs_is_watched_as_a_segment_is(
    farm: SmallFarm, pool: dict[str, float], says: str
) -> None:
    farm.rules = farm.rules.model_copy(update={"pool": FarmPool(**pool)})
    name = farm.submit()
    with farm.running() as coordinator:
        state = coordinator.state
        coordinator.run_until(lambda: any(task.unit.stage is Stage.MOTION for task in state.tasks.values()))
        (task,) = state.tasks.values()
        task.since = task.goes_on_at = 100.0
        upstream.end_hung_helpers(state, now=104.0)
        assert state.tasks
        if "stall" not in pool:
            task.goes_on_at = 106.0
        upstream.end_hung_helpers(state, now=108.0)
        assert not state.tasks
        record = next(iter(state.runs[name].open.records.values()))  # type: ignore[union-attr]
        assert record.suspicion == 1
        assert record.error is not None
        assert says in record.error.message
        coordinator.run_until(lambda: coordinator.is_idle)
    assert farm.job(name).state is JobState.SUCCEEDED


def test_a_helper_that_is_kept_for_a_suspect_that_went_away_serves_again(farm: SmallFarm) -> None:
    name = farm.submit()
    with farm.running() as coordinator:
        coordinator.run_until(lambda: bool(coordinator.state.helpers[Stage.MOTION]))
        for helper in coordinator.state.helpers[Stage.MOTION].values():
            helper.is_leaving = True
        coordinator.run_until(lambda: coordinator.is_idle)
    assert farm.job(name).state is JobState.SUCCEEDED


def waits_until_told(farm: SmallFarm, coordinator: FarmCoordinator, name: str) -> None:
    """Until the journal says what the job waits for."""
    coordinator.run_until(lambda: name in farm.journal_jobs() and farm.job(name).waits is not None)
    waits = farm.job(name).waits
    assert waits is not None
    assert (waits.error["code"], waits.error["message"]) == (AWAY.code, AWAY.message)


def status(name: str, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(shown(["status", name, "--json"], capsys))
    return told


def shown(command: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    capsys.readouterr()
    assert main(command) == 0
    return capsys.readouterr().out
