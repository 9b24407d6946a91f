"""The farm stops and starts again: every job goes on from where it stood, whatever state that was."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from fake_stages import Fault
from small_farm import SmallFarm

from farm.coordination import journal_writer
from farm.ledger import load_ledger
from jobs.errors import JournalCorrupt
from jobs.farm_requests import (
    PauseRequest,
    ResumeRequest,
    RetryRequest,
)
from jobs.farm_spec import FarmPool, FarmSpec, Studio
from jobs.journal_events import JobReceived, StateMoved
from jobs.lifecycle import JobState, SegmentState
from jobs.reasons import ReasonKind


def state_is(farm: SmallFarm, name: str, state: JobState) -> Callable[[], bool]:
    def check() -> bool:
        jobs = load_ledger(farm.journal)[0].jobs
        return name in jobs and jobs[name].state is state

    return check


def submit_pausable(farm: SmallFarm) -> str:
    """A job of two segments of which the second is on its way when its user pauses it."""
    farm.speak("hello.wav", seconds=3.0)
    return farm.submit(scheduling={"on_quarantine": "hold"})


def pause_at_the_last_segment(farm: SmallFarm, name: str) -> None:
    def pause_when_all_are_leased() -> bool:
        ledger = load_ledger(farm.journal)[0]
        if name in ledger.jobs and not asked and SegmentState.BLOCKED not in ledger.jobs[name].segments:
            counts = ledger.jobs[name].counts()
            if counts.get(SegmentState.LEASED) == 1 and not counts.get(SegmentState.READY):
                asked.append(farm.ask(PauseRequest(job=name)))
        return state_is(farm, name, JobState.PAUSED)()

    asked: list[int] = []
    farm.run(until=pause_when_all_are_leased)


def test_a_paused_job_that_lacks_only_its_master_waits_for_its_user(farm: SmallFarm) -> None:
    name = submit_pausable(farm)
    pause_at_the_last_segment(farm, name)
    assert farm.job(name).counts() == {SegmentState.COMMITTED: 2}
    for _ in range(2):
        assert farm.why(name) == "It is held: it was paused when it lacked nothing but its masters."
        assert farm.job(name).state is JobState.HELD
    assert not farm.master().exists()
    farm.ask(ResumeRequest(job=name))
    farm.run()
    assert farm.job(name).state is JobState.SUCCEEDED
    assert farm.renders() == 2


def test_a_paused_job_of_which_only_given_up_segments_are_left_waits_for_its_user(tmp_path: Path) -> None:
    farm = SmallFarm(tmp_path, faults=(Fault(stage="render", frame=50, kind="raise", times=2),), replicas=1)
    name = submit_pausable(farm)
    pause_at_the_last_segment(farm, name)
    assert farm.job(name).counts()[SegmentState.COMMITTED] == 1
    farm.run()
    assert farm.job(name).state in {JobState.HELD, JobState.PAUSED}
    if SegmentState.QUARANTINED in farm.job(name).counts():
        farm.ask(RetryRequest(job=name))
    else:
        farm.ask(ResumeRequest(job=name))
    farm.run(
        until=lambda: state_is(farm, name, JobState.SUCCEEDED)() or state_is(farm, name, JobState.HELD)()
    )


def test_a_paused_job_stays_paused(farm: SmallFarm) -> None:
    farm.speak("hello.wav", seconds=6.2)
    name = farm.submit()
    with farm.running() as coordinator:
        coordinator.run_until(lambda: farm.renders() >= 1)
        farm.ask(PauseRequest(job=name))
        coordinator.run_until(state_is(farm, name, JobState.PAUSED))
    rendered = farm.renders()
    farm.run()
    assert farm.job(name).state is JobState.PAUSED
    assert farm.renders() == rendered
    farm.ask(ResumeRequest(job=name))
    farm.run()
    assert farm.job(name).state is JobState.SUCCEEDED
    assert farm.renders() == 4


def test_a_job_that_was_being_cancelled_is_cancelled(farm: SmallFarm) -> None:
    name = farm.submit()
    farm.run(until=lambda: farm.renders() >= 1)
    epoch = farm.journal.begin_epoch("a run that is killed")
    (farm.folder / "out").mkdir(exist_ok=True)
    half = farm.folder / "out" / ".hello.mp4.0123abcd.part"
    half.write_bytes(b"half a master")
    before = farm.job(name).state
    asked = StateMoved(
        subject=name,
        before=before.value,
        event="cancel asked",
        after="cancel requested",
        reason_kind=ReasonKind.USER,
        reason="a user asked for it",
    )
    farm.journal.append(epoch, [asked.model_dump_json()])
    farm.run()
    assert farm.job(name).state is JobState.CANCELLED
    assert not half.exists()


def test_a_job_that_this_version_cannot_read_fails_and_stops_no_other(farm: SmallFarm) -> None:
    epoch = farm.journal.begin_epoch("an older version")
    event = JobReceived(
        job="old-1", studio="north", document=farm.document(seed="seven"), folder=str(farm.folder)
    )
    farm.journal.append(epoch, [event.model_dump_json()])
    farm.speak("hello.wav", seconds=1.0)
    name = farm.submit()
    farm.run()
    old = farm.job("old-1")
    assert old.state is JobState.FAILED
    assert old.error is not None
    assert old.error["mistakes"][0]["path"] == "spec.seed"
    assert farm.job(name).state is JobState.SUCCEEDED


def test_a_job_is_kept_with_every_default_so_that_a_later_version_plans_the_same(farm: SmallFarm) -> None:
    name = farm.submit(on_hold=True)
    farm.run()
    assert farm.job(name).document["spec"]["seed"] == 0


def test_a_queue_that_became_too_small_turns_no_job_away_that_is_in_it(farm: SmallFarm) -> None:
    farm.speak("hello.wav", seconds=4.2)
    name = farm.submit()
    farm.run(until=lambda: farm.renders() >= 1)
    farm.rules = FarmSpec(pool=FarmPool(), other_studios=Studio(max_queued_segments=1))
    farm.run()
    assert farm.job(name).state is JobState.SUCCEEDED


def test_a_job_beyond_what_its_studio_may_queue_is_rejected(farm: SmallFarm) -> None:
    farm.rules = FarmSpec(pool=FarmPool(), other_studios=Studio(max_queued_segments=2))
    farm.speak("hello.wav", seconds=3.0)
    twins = [farm.submit("one"), farm.submit("two")]
    other = farm.submit("three", studio="south")
    farm.run()
    # Whichever is planned first: they are planned side by side.
    queued, rejected = sorted(
        (farm.job(name) for name in twins), key=lambda job: job.state is JobState.REJECTED
    )
    assert queued.state is JobState.SUCCEEDED
    assert rejected.state is JobState.REJECTED
    assert rejected.error is not None
    assert rejected.error["code"] == "queue_full"
    assert farm.job(other).state is JobState.SUCCEEDED


def test_a_job_whose_speech_is_another_now_fails_and_says_so(farm: SmallFarm) -> None:
    name = farm.submit()
    farm.run(until=lambda: farm.renders() >= 1)
    farm.speak("hello.wav", seconds=9.0, pitch=440.0)
    farm.run()
    job = farm.job(name)
    assert job.state is JobState.FAILED
    assert job.error is not None
    assert "not what it was" in job.error["message"]


def test_what_cannot_have_happened_is_not_written(farm: SmallFarm) -> None:
    writer = journal_writer.JournalWriter(farm.journal, owner="a test")
    writer.note(
        StateMoved(
            subject="nobody",
            before="queued",
            event="started",
            after="running",
            reason_kind=ReasonKind.TURN,
            reason="a bug",
        )
    )
    with pytest.raises(JournalCorrupt):
        writer.write()
    assert farm.journal.check() == 0


def test_a_raised_budget_and_what_failed_tries_cost_outlive_the_farm(tmp_path: Path) -> None:
    trips = Fault(stage="render", frame=0, kind="raise", after_s=0.4)
    farm = SmallFarm(tmp_path / "farm", faults=(trips,), replicas=1)
    farm.rules = FarmSpec(pool=FarmPool(first_cost=0.2))
    name = farm.submit(scheduling={"max_gpu_seconds": 0.5})
    farm.run()
    assert farm.job(name).state is JobState.HELD
    assert farm.job(name).seconds >= 0.4, "the try that tripped is paid for too"
    farm.ask(ResumeRequest(job=name, max_gpu_seconds=600.0))
    farm.run(until=lambda: farm.job(name).state is JobState.RUNNING)
    farm.run()
    assert farm.job(name).state is JobState.SUCCEEDED
