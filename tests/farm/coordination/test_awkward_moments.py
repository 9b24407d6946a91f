"""What users ask, and replicas do, at the moment that suits the farm least."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from fake_stages import Fault
from held_background import HeldBackground
from small_farm import SmallFarm
from test_restarts import state_is

from farm.coordination import segments
from farm.coordination.leftovers import remove_leftovers
from farm.scheduling.messages import AttemptId, Dispatch, Purpose
from infra.storage import open_store
from jobs.farm_requests import (
    CancelRequest,
    PauseRequest,
    ResumeRequest,
    RetryRequest,
    WaiveRequest,
    WhyRequest,
)
from jobs.farm_spec import FarmPool, FarmSpec
from jobs.lifecycle import JobState, SegmentState


def test_a_job_that_is_cancelled_twice_while_it_is_planned_is_cancelled_once(farm: SmallFarm) -> None:
    name = farm.submit()
    with farm.running() as coordinator:
        coordinator.state.background = HeldBackground(holds=frozenset({"plan_job"}))  # type: ignore[assignment]
        coordinator.run_until(lambda: name in coordinator.state.planning)
        numbers = [farm.ask(CancelRequest(job=name)) for _ in range(2)]
        numbers += [farm.ask(PauseRequest(job=name)), farm.ask(WhyRequest(job=name))]
        coordinator.run_until(lambda: all(farm.journal.answer_to(number) for number in numbers))
    assert [farm.answer(number).error for number in numbers[:2]] == [None, None]
    refusal = farm.answer(numbers[2]).error
    assert refusal is not None
    assert refusal["code"] == "wrong_state"
    assert farm.answer(numbers[3]).text == "It is cancelled."
    farm.run()
    assert farm.job(name).state is JobState.CANCELLED
    assert not (farm.folder / "out").exists()


def test_a_job_that_is_paused_while_its_speech_is_read_takes_no_room_from_others(farm: SmallFarm) -> None:
    farm.speak("hello.wav", seconds=1.0)
    paused = [farm.submit(name) for name in ("one", "two", "three", "four", "five")]
    with farm.running() as coordinator:
        background = HeldBackground(holds=frozenset({"read_job_speech"}))
        coordinator.state.background = background  # type: ignore[assignment]
        coordinator.run_until(lambda: len(coordinator.state.opening) >= 4)
        for name in paused:
            farm.ask(PauseRequest(job=name))
        coordinator.run_until(lambda: all(state_is(farm, name, JobState.PAUSED)() for name in paused))
        background.holds = frozenset()
        coordinator.run_until(lambda: not coordinator.state.opening)
        assert all(run.open is None for run in coordinator.state.runs.values())
        other = farm.submit("other")
        coordinator.run_until(state_is(farm, other, JobState.SUCCEEDED))
        for name in paused:
            farm.ask(ResumeRequest(job=name))
        coordinator.run_until(lambda: coordinator.is_idle)
    assert {farm.job(name).state for name in paused} == {JobState.SUCCEEDED}


def test_jobs_whose_masters_are_joined_take_no_room_from_others(farm: SmallFarm) -> None:
    farm.speak("hello.wav", seconds=1.0)
    first = [farm.submit(f"first-{number}") for number in range(4)]
    with farm.running() as coordinator:
        background = HeldBackground(holds=frozenset({"_finish_takes"}))
        coordinator.state.background = background  # type: ignore[assignment]
        coordinator.run_until(lambda: all(state_is(farm, name, JobState.STITCHING)() for name in first))
        other = farm.submit("other")
        coordinator.run_until(state_is(farm, other, JobState.STITCHING))
        background.holds = frozenset()
        coordinator.run_until(lambda: coordinator.is_idle)
    assert farm.job(other).state is JobState.SUCCEEDED


def test_a_lease_that_ended_before_it_was_carried_out_is_not_carried_out(farm: SmallFarm) -> None:
    with farm.running() as coordinator:
        over = Dispatch(
            attempt=AttemptId(1, 999),
            replica="render-1",
            job="long-gone",
            segment=0,
            try_number=1,
            purpose=Purpose.TURN,
        )
        segments.carry_out(coordinator.state, over)
        assert not coordinator.state.tasks


def test_a_segment_of_one_take_is_waived_where_the_other_take_has_it(tmp_path: Path) -> None:
    farm = SmallFarm(tmp_path, faults=(Fault(stage="render", frame=50, kind="raise", times=2),), replicas=1)
    farm.speak("hello.wav", seconds=3.0)
    name = farm.submit(takes=2, scheduling={"on_quarantine": "hold"})
    farm.run(until=state_is(farm, name, JobState.HELD))
    assert farm.job(name).counts() == {SegmentState.COMMITTED: 3, SegmentState.QUARANTINED: 1}
    number = farm.ask(WaiveRequest(job=name, first_frame=50, stop_frame=60))
    farm.run()
    assert farm.answer(number).text == "the master does without 1 segments"
    assert farm.job(name).state is JobState.SUCCEEDED
    again = farm.ask(WaiveRequest(job=name, first_frame=50, stop_frame=60))
    farm.run()
    assert farm.answer(again).error is not None


def test_a_segment_that_runs_can_be_waived(farm: SmallFarm) -> None:
    name = farm.submit()
    with farm.running() as coordinator:
        state = coordinator.state
        coordinator.run_until(lambda: any(task.attempt is not None for task in state.tasks.values()))
        leased = next(farm.job(name).segments.numbers(SegmentState.LEASED))
        farm.ask(WaiveRequest(job=name, first_frame=50 * leased, stop_frame=50 * leased + 1))
        coordinator.run_until(lambda: coordinator.is_idle)
    job = farm.job(name)
    assert job.state is JobState.SUCCEEDED
    assert [gap["index"] for gap in farm.manifest()["filled"]] == list(
        job.segments.numbers(SegmentState.WAIVED)
    )


def test_a_budget_that_is_spent_holds_the_job_until_it_gets_more(farm: SmallFarm) -> None:
    farm.stages = replace(farm.stages, seconds_per_segment=0.2)
    farm.rules = FarmSpec(pool=FarmPool(first_cost=0.2))
    name = farm.submit(scheduling={"max_gpu_seconds": 0.5})
    farm.run(until=state_is(farm, name, JobState.HELD))
    assert 0 < farm.renders() < 5
    farm.run()
    assert farm.job(name).state is JobState.HELD, "a restart is no reason to go on"
    farm.ask(ResumeRequest(job=name, max_gpu_seconds=1000.0))
    farm.run()
    assert farm.job(name).state is JobState.SUCCEEDED
    assert farm.renders() == 5


def test_a_job_whose_speech_vanishes_before_its_turn_fails_and_can_be_retried(farm: SmallFarm) -> None:
    farm.speak("hello.wav", seconds=1.0)
    name = farm.submit()
    speech = farm.folder / "hello.wav"
    with farm.running() as coordinator:
        background = HeldBackground(holds=frozenset({"read_job_speech"}))
        coordinator.state.background = background  # type: ignore[assignment]
        coordinator.run_until(lambda: name in coordinator.state.opening)
        kept = speech.read_bytes()
        speech.unlink()
        background.holds = frozenset()
        coordinator.run_until(lambda: coordinator.has_ended(name))
    job = farm.job(name)
    assert job.state is JobState.FAILED
    assert job.error is not None
    assert job.error["code"] == "speech_not_found"
    speech.write_bytes(kept)
    farm.ask(RetryRequest(job=name))
    farm.run()
    assert farm.job(name).state is JobState.SUCCEEDED


def test_only_what_was_left_of_these_masters_is_removed(farm: SmallFarm) -> None:
    from farm.coordination.new_jobs import parse_document

    out = farm.folder / "out"
    out.mkdir()
    left = [
        ".hello.mp4.0123abcd.part",
        ".hello.take2.mp4.0123abcd.part",
        ".hello.manifest.json.0123abcd.part",
    ]
    kept = [".hello.mp4.part", ".other.mp4.0123abcd.part", "hello.mp4", ".hello.take3.mp4.0123abcd.part"]
    for name in (*left, *kept):
        (out / name).touch()
    loaded = parse_document(farm.document(takes=2), folder=str(farm.folder), where="hello")
    remove_leftovers([loaded], store=open_store(str(farm.folder / "store")))
    assert {path.name for path in out.iterdir()} == set(kept)


@pytest.mark.parametrize("state", [JobState.SUCCEEDED, JobState.CANCELLED])
def test_a_job_that_is_over_is_never_taken_up_again(farm: SmallFarm, state: JobState) -> None:
    farm.speak("hello.wav", seconds=1.0)
    name = farm.submit(on_hold=state is JobState.CANCELLED)
    if state is JobState.CANCELLED:
        farm.run(until=state_is(farm, name, JobState.HELD))
        farm.ask(CancelRequest(job=name))
    farm.run()
    assert farm.job(name).state is state
    entries = farm.journal.check()
    farm.run()
    assert farm.journal.check() == entries
