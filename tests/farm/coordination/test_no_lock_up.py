"""A segment gets a place with a replica only once its face is composed: none waits there for what waits for it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from fake_stages import Fault
from small_farm import SmallFarm
from test_restarts import state_is

from farm.coordination import coordinator as loop
from farm.coordination import segments
from farm.coordination.upstream_order import UpstreamOrder
from farm.execution.pools.messages import Refused
from farm.execution.replica import Replica
from farm.finishing import Finisher
from farm.scheduling.messages import Dispatch, Purpose
from farm.scheduling.units import SegmentNeeds, Stage, Unit
from jobs.errors import DiskFull, InfrastructureError, Retry, StoreError
from jobs.farm_requests import PauseRequest, RequeueRequest, ResumeRequest, RetryRequest, WaiveRequest
from jobs.lifecycle import JobState, SegmentState


def test_what_is_put_back_in_line_does_not_keep_the_rest_from_its_replica(tmp_path: Path) -> None:
    farm = SmallFarm(tmp_path / "farm", replicas=1)
    farm.speak("hello.wav", seconds=40.0)
    name = farm.submit()
    with farm.running() as coordinator:
        coordinator.run_until(lambda: farm.renders() >= 1)
        farm.ask(WaiveRequest(job=name, first_frame=900, stop_frame=1000))
        coordinator.run_until(lambda: farm.job(name).counts().get(SegmentState.WAIVED, 0) == 2)
        farm.ask(RequeueRequest(job=name, first_frame=900, stop_frame=1000))
        for _ in range(3000):
            if coordinator.is_idle:
                break
            coordinator.step()
    assert farm.job(name).state is JobState.SUCCEEDED
    assert farm.manifest()["filled"] == []


def test_a_job_that_goes_on_while_others_are_open_waits_for_its_turn_and_no_longer(tmp_path: Path) -> None:
    farm = SmallFarm(tmp_path / "farm", replicas=1)
    farm.speak("hello.wav", seconds=20.0)
    first = farm.submit("first")
    with farm.running() as coordinator:
        coordinator.run_until(lambda: farm.renders() >= 1)
        farm.ask(PauseRequest(job=first))
        coordinator.run_until(state_is(farm, first, JobState.PAUSED))
        others = [farm.submit(name, seed=seed) for seed, name in enumerate(("second", "third"), start=2)]
        runs = coordinator.state.runs
        coordinator.run_until(lambda: all(name in runs and runs[name].open for name in others))
        farm.ask(ResumeRequest(job=first))
        for _ in range(5000):
            if coordinator.is_idle:
                break
            coordinator.step()
    assert [farm.job(name).state for name in (first, *others)] == [JobState.SUCCEEDED] * 3


def test_a_quarantined_segment_of_a_job_that_runs_can_be_retried(tmp_path: Path) -> None:
    trips = tuple(Fault(stage="render", frame=frame, kind="raise", times=2) for frame in (100, 150))
    farm = SmallFarm(tmp_path / "farm", faults=trips, replicas=1)
    farm.speak("hello.wav", seconds=60.0)
    name = farm.submit(scheduling={"on_quarantine": "hold"})
    with farm.running() as coordinator:
        coordinator.run_until(lambda: farm.renders() > 0)
        coordinator.run_until(lambda: farm.job(name).counts().get(SegmentState.QUARANTINED, 0) == 2)
        assert farm.job(name).state is JobState.RUNNING
        farm.ask(RetryRequest(job=name))
        for _ in range(3000):
            if coordinator.is_idle:
                break
            coordinator.step()
    assert farm.job(name).state is JobState.SUCCEEDED


def test_a_face_that_nobody_wanted_while_it_was_composed_can_be_wanted_again() -> None:
    order, face, needs = _order_with_a_face_out()
    order.settle(face)
    assert not order.expects(face)
    order.add([needs])
    order.done(face)
    assert order.holds(face)


def test_a_store_that_is_away_holds_up_neither_the_loop_nor_other_replicas(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    farm = SmallFarm(tmp_path / "farm", faults=(Fault(stage="render", frame=100, kind="gpu"),))
    looked: list[str] = []

    def away(*_: Any, **__: Any) -> Any:
        import threading

        looked.append(threading.current_thread().name)
        raise StoreError("S3 cannot be reached", where="store", retry=Retry.LATER)

    name = farm.submit()
    with farm.running() as coordinator:
        coordinator.run_until(lambda: farm.renders() >= 1)
        run = coordinator.state.runs[name]
        monkeypatch.setattr(segments, "committed_segment", away)
        segments.look_in_store(coordinator.state, run, run.unit(3))
        coordinator.run_until(lambda: coordinator.is_idle)
    assert looked
    assert all(thread.startswith("background") for thread in looked)
    assert farm.job(name).state is JobState.SUCCEEDED


def test_a_job_that_meets_what_nobody_foresaw_fails_alone(
    farm: SmallFarm, monkeypatch: pytest.MonkeyPatch
) -> None:
    finish = Finisher.finish

    def odd(self: Finisher, **options: Any) -> Any:
        if self.plan.name == "odd":
            raise ZeroDivisionError("division by zero")
        return finish(self, **options)

    monkeypatch.setattr(Finisher, "finish", odd)
    odd_one, other = farm.submit("odd"), farm.submit("other", seed=2)
    farm.run()
    assert farm.job(odd_one).state is JobState.FAILED
    error = farm.job(odd_one).error
    assert error is not None
    assert "ZeroDivisionError" in error["message"]
    assert farm.job(other).state is JobState.SUCCEEDED


def test_masters_that_were_delivered_before_the_job_failed_are_known(
    farm: SmallFarm, monkeypatch: pytest.MonkeyPatch
) -> None:
    finish = Finisher.finish

    def full(self: Finisher, *, take: int, **options: Any) -> Any:
        if take == 2:
            raise DiskFull("no space is left", where="spec.output.uri")
        return finish(self, take=take, **options)

    monkeypatch.setattr(Finisher, "finish", full)
    name = farm.submit(takes=2)
    farm.run()
    assert farm.job(name).state is JobState.FAILED
    assert list(farm.job(name).delivered) == [1]


@pytest.mark.parametrize("stage", [Stage.MOTION, Stage.FACE])
def test_a_machine_that_fails_windows_or_faces_is_replaced_and_no_job_pays(
    farm: SmallFarm, monkeypatch: pytest.MonkeyPatch, stage: Stage
) -> None:
    perform, failures = Replica.perform, iter(range(2))

    def sick(self: Replica, task: Any) -> Any:
        if self._stage is stage and next(failures, None) is not None:
            error = InfrastructureError("the GPU reports ECC errors", where="gpu 0", code="gpu_failed")
            return Refused(key=task.key, error=error, seconds=0.1)
        return perform(self, task)

    monkeypatch.setattr(Replica, "perform", sick)
    name = farm.submit()
    farm.run()
    assert next(failures, None) is None
    assert farm.job(name).state is JobState.SUCCEEDED


@pytest.mark.parametrize("folder", ["/a\0b", "relative"])
def test_a_job_from_a_folder_that_is_none_is_refused_and_ends_no_farm(farm: SmallFarm, folder: str) -> None:
    from jobs.farm_requests import SubmitRequest

    number = farm.ask(SubmitRequest(document=farm.document(), folder=folder, studio="north", on_hold=False))
    good = farm.submit()
    farm.run()
    refusal = farm.answer(number).error
    assert refusal is not None
    assert "bad_folder" in str(refusal)
    assert farm.job(good).state is JobState.SUCCEEDED


def test_what_is_waived_before_its_round_comes_takes_no_place_of_a_face(tmp_path: Path) -> None:
    farm = SmallFarm(tmp_path / "farm", replicas=1)
    farm.speak("hello.wav", seconds=60.0)
    name = farm.submit(scheduling={"preview_first": 3})
    with farm.running() as coordinator:
        runs = coordinator.state.runs
        coordinator.run_until(lambda: name in runs and runs[name].open is not None)
        farm.ask(WaiveRequest(job=name, first_frame=300, stop_frame=1100))
        for _ in range(1500):
            if coordinator.is_idle:
                break
            coordinator.step()
    assert farm.job(name).state is JobState.SUCCEEDED
    assert farm.job(name).counts()[SegmentState.WAIVED] == 16


def test_a_face_that_is_wanted_again_while_it_is_out_waits_for_its_windows_when_it_comes_to_nothing() -> None:
    order, face, needs = _order_with_a_face_out()
    order.settle(face)
    order.add([needs])
    order.put_back(face)
    assert order.next(Stage.FACE) is None, "its windows were let go"
    window = order.next(Stage.MOTION)
    assert window is not None
    order.take(window)
    order.done(window)
    assert order.next(Stage.FACE) == face


def test_segments_that_are_wanted_again_together_share_their_windows() -> None:
    order = UpstreamOrder(windows_ahead=8, faces_ahead=20)
    order.add(
        [SegmentNeeds(take=1, index=index, windows=(index // 3, index // 3 + 1)) for index in range(12)]
    )
    windows = 0
    while (window := order.next(Stage.MOTION)) is not None:
        order.take(window)
        order.done(window)
        windows += 1
        while (face := order.next(Stage.FACE)) is not None:
            order.take(face)
            order.done(face)
    assert windows == 5
    assert len(order.faces_held) == 12


def test_every_request_finds_the_farm_as_the_one_before_it_left_it(farm: SmallFarm) -> None:
    farm.speak("hello.wav", seconds=40.0)
    name = farm.submit()
    with farm.running() as coordinator:
        state = coordinator.state
        coordinator.run_until(lambda: farm.renders() >= 1)
        states = state.scheduler.jobs[name].states
        for request in (PauseRequest(job=name), ResumeRequest(job=name)):
            farm.ask(request)
        farm.ask(WaiveRequest(job=name, first_frame=100, stop_frame=300))
        farm.ask(RequeueRequest(job=name, first_frame=100, stop_frame=300))
        coordinator._look_at_requests()
        assert not state.moves
        run = state.runs[name]
        ready = [number for number, state in enumerate(states) if state is SegmentState.READY]
        faces = run.open.faces if run.open else {}
        assert all(run.unit(number, Stage.FACE) in faces for number in ready)
        coordinator.run_until(lambda: coordinator.is_idle)
    assert farm.job(name).state is JobState.SUCCEEDED
    assert farm.manifest()["filled"] == []


def test_a_lease_without_a_face_is_given_back_once_and_waits(farm: SmallFarm) -> None:
    farm.speak("hello.wav", seconds=20.0)
    name = farm.submit()
    with farm.running() as coordinator:
        state = coordinator.state
        coordinator.run_until(lambda: farm.renders() >= 1 and any(t.attempt for t in state.tasks.values()))
        run = state.runs[name]
        [(key, task), *_] = [(key, task) for key, task in state.tasks.items() if task.attempt]
        assert task.attempt is not None
        del state.tasks[key]
        state.backend.recall(key)
        assert run.open is not None
        run.open.faces.pop(run.unit(run.number(task.unit), Stage.FACE))
        segment = run.number(task.unit)
        segments.carry_out(
            state,
            Dispatch(
                attempt=task.attempt,
                replica=task.replica,
                job=name,
                segment=segment,
                try_number=1,
                purpose=Purpose.TURN,
            ),
        )
        assert state.scheduler.jobs[name].states[segment] is SegmentState.BLOCKED
        assert task.attempt not in state.scheduler.attempts


def test_a_slow_database_puts_the_farm_s_patience_off_once_and_not_for_ever(
    farm: SmallFarm, monkeypatch: pytest.MonkeyPatch
) -> None:
    now, told, ticks = [0.0], list[object](), list[int]()
    with farm.running(clock=lambda: now[0]) as coordinator:
        coordinator.step()
        monkeypatch.setattr(loop, "_BLOCKED_S", -1.0)
        monkeypatch.setattr(coordinator.state.scheduler, "on", lambda event: told.append(event) or ())
        for _ in range(6):
            now[0] += 100.0
            coordinator._tick()
            ticks.append(len(told))
    assert ticks == [0, 1, 1, 2, 2, 3], "right after a turn that took long nobody's patience is tried"


def _order_with_a_face_out() -> tuple[UpstreamOrder, Unit, SegmentNeeds]:
    order, face = UpstreamOrder(windows_ahead=4, faces_ahead=4), Unit(1, 0, Stage.FACE)
    needs = SegmentNeeds(take=1, index=0, windows=(0,))
    order.add([needs])
    window = order.next(Stage.MOTION)
    assert window is not None
    order.take(window)
    order.done(window)
    assert order.next(Stage.FACE) == face
    order.take(face)
    return order, face, needs
