"""Jobs of several studios on one farm: taken in, rendered, controlled, turned away."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from fake_stages import FIRST_FACE, Fault
from small_farm import SmallFarm

from farm.finishing import Finisher
from farm.ledger import Ledger, load_ledger
from jobs.errors import DiskFull
from jobs.farm_requests import (
    CancelRequest,
    PauseRequest,
    RequeueRequest,
    ResumeRequest,
    RetryRequest,
    WaiveRequest,
    WhyRequest,
)
from jobs.journal_events import event_from_json
from jobs.lifecycle import JobState, SegmentState


def test_many_jobs_give_each_the_video_that_it_would_have_had_alone(farm: SmallFarm, tmp_path: Path) -> None:
    names = [
        farm.submit("one", studio="north"),
        farm.submit("two", studio="south", seed=9),
        farm.submit("three", studio="north", takes=2),
        farm.submit("four", studio="east", scheduling={"tier": "interactive", "preview_first": 2}),
    ]
    farm.run()
    assert [farm.job(name).state for name in names] == [JobState.SUCCEEDED] * 4
    for name, spec in (("two", {"seed": 9}), ("three", {"takes": 2}), ("four", {})):
        alone = SmallFarm(tmp_path / name)
        alone.submit(name, **spec)
        alone.run()
        assert alone.sha256(name) == farm.sha256(name)


def test_the_journal_tells_the_whole_story(farm: SmallFarm) -> None:
    name = farm.submit()
    farm.run()
    events = [event_from_json(entry.body) for entry in farm.journal.read()]
    assert Ledger.fold(events, at=[entry.at for entry in farm.journal.read()]) == load_ledger(farm.journal)[0]
    job = farm.job(name)
    assert job.counts() == {SegmentState.COMMITTED: 5}
    assert job.delivered[1].sha256 == farm.sha256()
    assert farm.journal.check() == len(events)


def test_a_job_with_mistakes_is_refused_and_leaves_nothing(farm: SmallFarm) -> None:
    farm.submit("bad", seed="seven")
    farm.run()
    answer = farm.answer(1)
    assert answer.error is not None
    assert answer.error["mistakes"][0]["path"] == "spec.seed"
    assert load_ledger(farm.journal)[0].jobs == {}


def test_a_job_whose_speech_is_not_there_fails_with_the_reason(farm: SmallFarm) -> None:
    name = farm.submit(speech="nowhere.wav")
    farm.run()
    job = farm.job(name)
    assert job.state is JobState.FAILED
    assert job.error is not None
    assert job.error["code"] == "input_not_found"


def test_a_subject_without_consent_is_rejected(farm: SmallFarm) -> None:
    (farm.folder / "stages" / "subjects" / "fake" / "no-consent").touch()
    name = farm.submit()
    farm.run()
    assert farm.job(name).state is JobState.REJECTED


def test_a_job_on_hold_waits_and_goes_on_when_it_is_resumed(farm: SmallFarm) -> None:
    name = farm.submit(on_hold=True)
    farm.run(
        until=lambda: name in load_ledger(farm.journal)[0].jobs and farm.job(name).state is JobState.HELD
    )
    assert farm.renders() == 0
    farm.ask(ResumeRequest(job=name))
    farm.run()
    assert farm.job(name).state is JobState.SUCCEEDED


def test_a_job_can_be_paused_asked_about_resumed_and_cancelled(farm: SmallFarm) -> None:
    # Long enough that something is left to cancel.
    farm.speak("hello.wav", seconds=60.0)
    name = farm.submit()
    with farm.running() as coordinator:
        coordinator.run_until(lambda: farm.renders() >= 1)
        farm.ask(PauseRequest(job=name))
        coordinator.run_until(lambda: farm.job(name).state is JobState.PAUSED)
        why = farm.ask(WhyRequest(job=name))
        coordinator.run_until(lambda: farm.journal.answer_to(why) is not None)
        assert farm.answer(why).text == "It is paused until somebody resumes it."
        rendered = farm.renders()
        for _ in range(20):
            coordinator.step()
        assert farm.renders() == rendered
        farm.ask(ResumeRequest(job=name))
        coordinator.run_until(lambda: farm.renders() > rendered)
        farm.ask(CancelRequest(job=name))
        coordinator.run_until(lambda: coordinator.has_ended(name))
    assert farm.job(name).state is JobState.CANCELLED
    assert not farm.master().exists()


def test_a_cancelled_job_stays_cancelled(farm: SmallFarm) -> None:
    name = farm.submit(on_hold=True)
    farm.run(
        until=lambda: name in load_ledger(farm.journal)[0].jobs and farm.job(name).state is JobState.HELD
    )
    farm.ask(CancelRequest(job=name))
    farm.run()
    resume = farm.ask(ResumeRequest(job=name))
    farm.run()
    refusal = farm.answer(resume).error
    assert refusal is not None
    assert refusal["code"] == "wrong_state"
    assert farm.job(name).state is JobState.CANCELLED


def test_a_request_about_no_job_is_refused(farm: SmallFarm) -> None:
    number = farm.ask(PauseRequest(job="nobody"))
    farm.run()
    refusal = farm.answer(number).error
    assert refusal is not None
    assert refusal["code"] == "unknown_job"


@pytest.mark.parametrize(
    "body",
    [
        '{"kind": "waive", "job": "hello-1", "first_frame": 10, "stop_frame": 10}',
        '{"kind": "dance", "job": "hello-1"}',
        "not JSON",
    ],
)
def test_a_request_that_makes_no_sense_is_answered_and_hurts_nobody(farm: SmallFarm, body: str) -> None:
    number = farm.journal.ask(body, token="strange")
    farm.run()
    refusal = farm.answer(number).error
    assert refusal is not None
    assert refusal["code"] == "bad_request"


class TestASegmentThatNeverSucceeds:
    FAULT = Fault(stage="render", frame=100, kind="raise", times=2)

    def test_fails_the_job_and_can_be_retried(self, tmp_path: Path) -> None:
        farm = SmallFarm(tmp_path / "farm", faults=(self.FAULT,))
        name = farm.submit()
        farm.run()
        job = farm.job(name)
        assert job.state is JobState.FAILED
        assert job.error is not None
        assert "tripped at frame 100" in job.error["message"]
        rendered = farm.renders()
        farm.ask(RetryRequest(job=name))
        farm.run()
        assert farm.job(name).state is JobState.SUCCEEDED
        assert farm.renders() - rendered <= 3, "what was committed is not rendered again"
        calm = SmallFarm(tmp_path / "calm")
        calm.submit()
        calm.run()
        assert farm.sha256() == calm.sha256()

    def test_holds_the_job_until_somebody_waives_it(self, tmp_path: Path) -> None:
        farm = SmallFarm(tmp_path / "farm", faults=(self.FAULT,))
        name = farm.submit(scheduling={"on_quarantine": "hold"})
        farm.run(until=lambda: self._is(farm, name, JobState.HELD))
        assert list(farm.job(name).segments.numbers(SegmentState.QUARANTINED)) == [2]
        bundle = Path(farm.job(name).bundles[2])
        assert (bundle / "bundle.json").exists()
        farm.ask(WaiveRequest(job=name, first_frame=100, stop_frame=150))
        farm.run()
        assert farm.job(name).state is JobState.SUCCEEDED
        assert farm.manifest()["filled"] == [
            {"index": 2, "first_frame": 100, "frame_count": 50, "shown_frame": 99}
        ]

    def test_that_was_waived_stays_waived_when_the_job_fails_later_and_is_retried(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        farm = SmallFarm(tmp_path / "farm", faults=(self.FAULT,))
        name = farm.submit(scheduling={"on_quarantine": "hold"})
        farm.run(until=lambda: self._is(farm, name, JobState.HELD))
        with monkeypatch.context() as patch:
            patch.setattr(Finisher, "finish", _full_disk)
            farm.ask(WaiveRequest(job=name, first_frame=100, stop_frame=150))
            farm.run()
        assert farm.job(name).state is JobState.FAILED
        rendered = farm.renders()
        farm.ask(RetryRequest(job=name))
        farm.run()
        assert farm.job(name).state is JobState.SUCCEEDED
        assert farm.renders() == rendered
        assert [gap["index"] for gap in farm.manifest()["filled"]] == [2]

    def test_holds_the_job_until_somebody_requeues_it(self, tmp_path: Path) -> None:
        farm = SmallFarm(tmp_path / "farm", faults=(self.FAULT,))
        name = farm.submit(scheduling={"on_quarantine": "hold"})
        farm.run(until=lambda: self._is(farm, name, JobState.HELD))
        farm.ask(RequeueRequest(job=name, first_frame=120, stop_frame=121))
        farm.run()
        assert farm.job(name).state is JobState.SUCCEEDED
        assert farm.manifest()["filled"] == []

    def test_is_filled_where_the_job_says_so(self, tmp_path: Path) -> None:
        farm = SmallFarm(tmp_path / "farm", faults=(self.FAULT,))
        name = farm.submit(scheduling={"on_quarantine": "fill"})
        farm.run()
        assert farm.job(name).state is JobState.SUCCEEDED
        assert [gap["index"] for gap in farm.manifest()["filled"]] == [2]

    @staticmethod
    def _is(farm: SmallFarm, name: str, state: JobState) -> bool:
        jobs = load_ledger(farm.journal)[0].jobs
        return name in jobs and jobs[name].state is state


def _full_disk(*_: Any, **__: Any) -> Any:
    raise DiskFull("no space is left", where="spec.output.uri")


@pytest.mark.parametrize("stage", ["motion", "face"])
def test_a_window_or_face_that_never_succeeds_fails_the_job(tmp_path: Path, stage: str) -> None:
    frame = 0 if stage == "motion" else FIRST_FACE
    farm = SmallFarm(tmp_path / "farm", faults=(Fault(stage=stage, frame=frame, kind="raise", times=99),))
    name = farm.submit()
    farm.run()
    job = farm.job(name)
    assert job.state is JobState.FAILED
    assert job.error is not None
    assert f"the {stage} stage tripped" in job.error["message"]
