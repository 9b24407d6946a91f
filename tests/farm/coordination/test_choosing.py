"""Takes before pixels: motion alone for each take, a choice, and pixels for the chosen one."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest
from fake_stages import FIRST_FACE, Fault
from PIL import Image
from small_farm import SmallFarm

from farm.cli.connections.journal_connection import view_of
from farm.ledger import Ledger, LedgerJob, load_ledger
from jobs.farm_requests import (
    CancelRequest,
    ChooseRequest,
    PauseRequest,
    ResumeRequest,
    RetryRequest,
    WhyRequest,
)
from jobs.farm_spec import FarmPool, FarmSpec
from jobs.journal_events import TakesSketched, event_from_json
from jobs.lifecycle import JobState, SegmentState
from stages.encode.stitch import SYNTHETIC_MARK

TAKES = 3


def asked(farm: SmallFarm, name: str = "hello", **spec: object) -> str:
    """A job that waits for a choice, its takes drawn."""
    job = farm.submit(name, takes=TAKES, choose="ask", **spec)
    farm.run()
    assert farm.job(job).state is JobState.HELD
    return job


def sketched(job: LedgerJob) -> TakesSketched:
    assert job.sketched is not None
    return job.sketched


def refusal(farm: SmallFarm, number: int) -> str:
    error = farm.answer(number).error
    return "" if error is None else str(error["code"])


def stored(farm: SmallFarm, key: str) -> bytes:
    return farm.services.store.get(key)


def test_a_job_that_asks_draws_every_take_and_renders_none(farm: SmallFarm) -> None:
    job = farm.job(asked(farm))
    assert farm.renders() == 0
    assert [each.take for each in sketched(job).takes] == [1, 2, 3]
    assert (job.takes, job.offered, job.chosen) == (1, TAKES, None)
    assert job.counts() == {SegmentState.BLOCKED: 5}
    assert len({each.playback_sha256 for each in sketched(job).takes}) == TAKES


def test_the_chosen_take_has_the_bytes_of_a_job_that_renders_all_of_them(
    farm: SmallFarm, tmp_path: Path
) -> None:
    name = asked(farm)
    windows = farm.stages.noted("motion-")
    farm.ask(ChooseRequest(job=name, take=2))
    farm.run()
    job = farm.job(name)
    assert (job.state, job.chosen, sorted(job.delivered)) == (JobState.SUCCEEDED, 2, [2])
    # Its motion was not predicted again, and nothing of the others was rendered.
    assert farm.stages.noted("motion-") == windows
    assert farm.renders() == len(job.segments) == 5
    assert not farm.master(take=1).exists()
    everything = SmallFarm(tmp_path / "everything")
    everything.submit(takes=TAKES)
    everything.run()
    assert farm.sha256(take=2) == everything.sha256(take=2)
    number = SmallFarm(tmp_path / "number")
    number.submit(takes=TAKES, choose=2)
    number.run()
    assert farm.sha256(take=2) == number.sha256(take=2)
    assert number.renders() == 5


def test_whoever_asked_finds_what_a_former_job_rendered(farm: SmallFarm) -> None:
    farm.submit(takes=TAKES, choose=3)
    farm.run()
    job = farm.job(asked(farm))
    assert [each.segments for each in sketched(job).takes] == [5, 5, 0]
    assert [each.price_seconds > 0 for each in sketched(job).takes] == [True, True, False]
    assert sketched(job).is_measured
    before = farm.renders()
    farm.ask(ChooseRequest(job=job.name, take=3))
    farm.run()
    assert farm.job(job.name).state is JobState.SUCCEEDED
    assert farm.renders() == before


def test_a_choice_is_made_once(farm: SmallFarm) -> None:
    name = asked(farm)
    first = [farm.ask(ChooseRequest(job=name, take=take)) for take in (9, 2, 2, 1)]
    farm.run()
    later = [farm.ask(ChooseRequest(job=name, take=take)) for take in (2, 1)]
    farm.run()
    assert [refusal(farm, number) for number in first] == ["no_such_take", "", "", "already_chosen"]
    assert [refusal(farm, number) for number in later] == ["", "already_chosen"]
    assert farm.answer(first[2]).text == "take 2 was chosen already"


def test_a_job_that_renders_all_takes_offers_no_choice(farm: SmallFarm) -> None:
    name = farm.submit(on_hold=True, takes=2)
    number = farm.ask(ChooseRequest(job=name, take=1))
    farm.run()
    assert refusal(farm, number) == "nothing_to_choose"


def test_a_take_may_be_chosen_before_all_are_drawn(farm: SmallFarm) -> None:
    name = farm.submit(takes=TAKES, choose="ask")
    with farm.running() as coordinator:
        coordinator.run_until(lambda: farm.stages.noted("still") > 0)
        farm.ask(ChooseRequest(job=name, take=1))
        coordinator.run_until(lambda: coordinator.is_idle)
    assert farm.job(name).state is JobState.SUCCEEDED
    assert farm.renders() == 5


def test_a_restart_goes_on_drawing_and_a_second_one_goes_on_waiting(farm: SmallFarm) -> None:
    name = farm.submit(takes=TAKES, choose="ask")
    with farm.running() as coordinator:
        coordinator.run_until(lambda: farm.stages.noted("still") > 0)
    assert farm.job(name).sketched is None
    farm.run()
    job = farm.job(name)
    told, drawn = sketched(job), farm.stages.noted("face-")
    farm.run()
    assert farm.job(name).sketched == told
    assert farm.stages.noted("face-") == drawn
    farm.ask(ChooseRequest(job=name, take=3))
    with farm.running() as coordinator:
        coordinator.run_until(lambda: farm.renders() > 1)
    windows = farm.stages.noted("motion-")
    farm.run()
    assert (farm.job(name).state, farm.job(name).chosen) == (JobState.SUCCEEDED, 3)
    assert farm.stages.noted("motion-") == windows
    assert farm.renders() <= 6


def test_who_waits_for_a_choice_is_told_so(farm: SmallFarm) -> None:
    name = asked(farm)
    refused = [
        farm.ask(request)
        for request in (PauseRequest(job=name), ResumeRequest(job=name), RetryRequest(job=name))
    ]
    assert f"farm choose {name} TAKE" in farm.why(name)
    assert [refusal(farm, number) for number in refused] == [
        "wrong_state",
        "choice_wanted",
        "nothing_to_retry",
    ]


def test_who_asks_while_takes_are_drawn_is_told_how_far_they_are(farm: SmallFarm) -> None:
    name = farm.submit(takes=TAKES, choose="ask")
    with farm.running() as coordinator:
        coordinator.run_until(lambda: farm.stages.noted("still") > 0)
        number = farm.ask(WhyRequest(job=name))
        coordinator.run_until(lambda: farm.journal.answer_to(number) is not None)
    assert "of 15 pieces" in farm.answer(number).text


def test_a_job_on_hold_draws_nothing_before_it_is_resumed(farm: SmallFarm) -> None:
    name = farm.submit(takes=2, choose="ask", on_hold=True)
    farm.run()
    assert farm.stages.noted("motion-") == 0
    farm.ask(ResumeRequest(job=name))
    farm.run()
    job = farm.job(name)
    assert job.state is JobState.HELD
    assert len(sketched(job).takes) == 2


def test_a_cancel_ends_the_wait_and_the_drawing(farm: SmallFarm) -> None:
    waiting = asked(farm, "one")
    drawing = farm.submit("two", takes=TAKES, choose="ask", seed=9)
    with farm.running() as coordinator:
        before = farm.stages.noted("still")
        coordinator.run_until(lambda: farm.stages.noted("still") > before)
        farm.ask(CancelRequest(job=waiting))
        farm.ask(CancelRequest(job=drawing))
        coordinator.run_until(lambda: coordinator.is_idle)
    assert [farm.job(name).state for name in (waiting, drawing)] == [JobState.CANCELLED] * 2
    assert farm.job(waiting).sketched is None


def test_nobody_waits_for_ever(farm: SmallFarm) -> None:
    farm.rules = FarmSpec(pool=FarmPool(max_tries_failed=2), choice=0.001)
    name = farm.submit(takes=2, choose="ask")
    farm.run(until=lambda: name in farm.journal_jobs() and farm.job(name).state.is_terminal)
    job = farm.job(name)
    assert job.state is JobState.EXPIRED
    assert job.error is not None
    assert job.error["code"] == "choice_expired"
    number = farm.ask(ChooseRequest(job=name, take=1))
    farm.run()
    assert refusal(farm, number) == "not_open"
    assert farm.renders() == 0


@pytest.mark.parametrize("stage", ["motion", "face"])
def test_what_is_lost_is_drawn_again(tmp_path: Path, stage: str) -> None:
    frame = 0 if stage == "motion" else FIRST_FACE
    farm = SmallFarm(tmp_path, faults=(Fault(stage=stage, frame=frame, kind="raise"),))
    farm.rules = FarmSpec(pool=FarmPool(max_tries_failed=4, max_failures=4))
    job = farm.job(asked(farm))
    assert len(sketched(job).takes) == TAKES


def test_takes_that_cannot_be_drawn_end_the_job_and_a_retry_draws_them(tmp_path: Path) -> None:
    farm = SmallFarm(tmp_path, faults=(Fault(stage="motion", frame=0, kind="raise", times=3),))
    name = farm.submit(takes=2, choose="ask")
    farm.run()
    assert farm.job(name).state is JobState.FAILED
    farm.ask(RetryRequest(job=name))
    farm.run()
    assert farm.job(name).state is JobState.HELD
    farm.ask(ChooseRequest(job=name, take=2))
    farm.run()
    assert farm.job(name).state is JobState.SUCCEEDED


def test_a_sheet_and_a_playback_show_each_take(farm: SmallFarm) -> None:
    job = farm.job(asked(farm))
    for each in sketched(job).takes:
        sheet = stored(farm, each.sheet)
        assert SYNTHETIC_MARK.encode() in sheet
        with Image.open(io.BytesIO(sheet)) as picture:
            # The fake stills are 64 px.
            assert picture.size == (4 * 64, 2 * 64)
        with av.open(io.BytesIO(stored(farm, each.playback))) as playback:
            # 9 s at half the frame rate, with the sound of the speech.
            assert sum(1 for _ in playback.decode(video=0)) == 113
            assert playback.streams.audio[0].duration is not None
            assert SYNTHETIC_MARK in str(playback.metadata)
        with av.open(io.BytesIO(stored(farm, each.playback))) as playback:
            sound = np.concatenate([frame.to_ndarray().ravel() for frame in playback.decode(audio=0)])
            assert np.abs(sound).max() > 0.1


def test_the_journal_tells_the_whole_story_of_a_choice(farm: SmallFarm) -> None:
    name = asked(farm)
    farm.ask(ChooseRequest(job=name, take=2))
    farm.run()
    entries = list(farm.journal.read())
    folded = Ledger.fold([event_from_json(each.body) for each in entries], at=[each.at for each in entries])
    assert folded == load_ledger(farm.journal)[0]
    assert Ledger.from_json(folded.to_json()) == folded


def test_a_segment_of_the_chosen_take_that_is_given_up_is_told_by_its_take(tmp_path: Path) -> None:
    farm = SmallFarm(tmp_path, faults=(Fault(stage="render", frame=50, kind="raise", times=9),))
    name = asked(farm, scheduling={"on_quarantine": "hold"})
    farm.ask(ChooseRequest(job=name, take=2))
    farm.run()
    job = farm.job(name)
    assert (job.state, job.counts()[SegmentState.QUARANTINED]) == (JobState.HELD, 1)
    view = view_of(job, store="")
    assert view.facts is not None
    assert view.facts.as_record()["quarantined"] == [{"take": 2, "segment": 1}]
    # A wait for another word is none for a choice.
    again = farm.ask(ChooseRequest(job=name, take=2))
    farm.stages = replace(farm.stages, faults=())
    farm.ask(RetryRequest(job=name))
    farm.run()
    assert (refusal(farm, again), farm.job(name).state) == ("", JobState.SUCCEEDED)
