"""Jobs in one piece on a farm: planned, shared, followed, stopped and resumed as renders are."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from fake_whole import FakeWhole
from small_farm import SmallFarm

from farm.config import PoolSizes
from farm.execution.pools.inline_pools import InlinePools
from jobs.farm_requests import (
    CancelRequest,
    ChooseRequest,
    PauseRequest,
    ResumeRequest,
    RetryRequest,
    SubmitRequest,
    WhyRequest,
)
from jobs.lifecycle import JobState

KINDS = ("PrepareJob", "TrainJob", "EvaluateJob")
POOLS = PoolSizes(render=2, preparation=1, training=1, evaluation=1)


@dataclass
class WholeFarm:
    """A small farm that also does jobs in one piece, with what they read."""

    farm: SmallFarm
    whole: FakeWhole

    @classmethod
    def in_folder(cls, folder: Path, **fake: Any) -> WholeFarm:
        farm = SmallFarm(folder / "farm")
        farm.pools = POOLS
        (farm.folder / "jane.mp4").write_bytes(b"a clip")
        (farm.folder / "consent.pdf").write_bytes(b"I agree")
        (farm.folder / "clips" / "jane").mkdir(parents=True)
        for name in ("ours", "test"):
            (farm.folder / name).mkdir()
            (farm.folder / name / "a.mp4").write_bytes(b"a video")
        return cls(farm=farm, whole=FakeWhole(folder=folder / "notes", **fake))

    def document(self, kind: str, name: str, **spec: Any) -> dict[str, Any]:
        specs: dict[str, dict[str, Any]] = {
            "PrepareJob": {
                "clip": "jane.mp4",
                "consent": "consent.pdf",
                "output": {"uri": f"subjects/{name}"},
            },
            "TrainJob": {
                "stage": "renderer",
                "clips": ["clips/*"],
                "output": {"uri": f"out/{name}.safetensors"},
            },
            "EvaluateJob": {
                "truth": "test",
                "systems": {"ours": "ours"},
                "output": {"uri": f"out/{name}-report"},
            },
        }
        return {
            "apiVersion": "farm/v1",
            "kind": kind,
            "metadata": {"name": name, "project": "tests"},
            "spec": specs[kind] | spec,
        }

    def submit(
        self, kind: str, name: str = "", *, studio: str = "north", on_hold: bool = False, **spec: Any
    ) -> str:
        name = name or kind.lower()
        request = SubmitRequest(
            document=self.document(kind, name, **spec),
            folder=str(self.farm.folder),
            studio=studio,
            on_hold=on_hold,
        )
        return f"{name}-{self.farm.ask(request)}"

    def running(self) -> Any:
        return self.farm.running(InlinePools(stages=self.farm.stages, whole=self.whole))

    def run(self) -> None:
        """Run the farm until nothing is left to do."""
        with self.running() as coordinator:
            for _ in range(3000):
                if coordinator.is_idle:
                    assert coordinator.state.scheduler.violations() == []
                    return
                coordinator.step()
        raise AssertionError("the farm does not come to an end")

    def error(self, job: str) -> dict[str, Any]:
        error = self.farm.job(job).error
        assert error is not None
        return error


@pytest.fixture
def whole(tmp_path: Path) -> WholeFarm:
    return WholeFarm.in_folder(tmp_path)


@pytest.mark.parametrize("kind", KINDS)
def test_a_job_of_each_kind_is_done(whole: WholeFarm, kind: str) -> None:
    name = whole.submit(kind)
    whole.run()
    job = whole.farm.job(name)
    assert (job.state, job.kind) == (JobState.SUCCEEDED, kind)
    assert Path(job.made[0]).exists()
    assert job.told == (f"{name} was counted on cpu",)
    assert job.seconds > 0
    assert whole.whole.count(name, "done") == 1


def test_renders_and_jobs_in_one_piece_share_a_farm(whole: WholeFarm) -> None:
    names = [whole.submit(kind) for kind in KINDS]
    render = whole.farm.submit()
    whole.run()
    assert {whole.farm.job(name).state for name in (*names, render)} == {JobState.SUCCEEDED}
    assert whole.farm.master().exists()


def test_what_is_missing_is_told_before_a_replica_starts(whole: WholeFarm) -> None:
    clip = whole.submit("PrepareJob", clip="none.mp4")
    clips = whole.submit("TrainJob", clips=["nothing/*"])
    whole.run()
    assert (whole.error(clip)["code"], whole.error(clip)["where"]) == ("input_not_found", "spec.clip")
    assert whole.error(clips)["code"] == "input_not_found"
    assert whole.whole.notes(clip) == []


def test_a_training_of_several_workers_is_refused(whole: WholeFarm) -> None:
    name = whole.submit("TrainJob", workers=2)
    whole.run()
    assert whole.farm.job(name).state is JobState.FAILED
    assert whole.error(name)["mistakes"][0]["code"] == "one_worker"


def test_two_jobs_do_not_write_the_same_place(whole: WholeFarm) -> None:
    first = whole.submit("PrepareJob", "jane")
    second = whole.submit("PrepareJob", "jane")
    whole.run()
    assert whole.farm.job(first).state is JobState.SUCCEEDED
    answer = whole.farm.answer(2)
    assert answer.error is not None
    assert answer.error["code"] == "output_twice"
    assert second not in whole.farm.journal_jobs()


def test_a_render_of_a_package_that_is_being_prepared_is_refused(whole: WholeFarm) -> None:
    whole.submit("PrepareJob", "jane")
    whole.farm.submit(subject="subjects/jane")
    whole.run()
    answer = whole.farm.answer(2)
    assert answer.error is not None
    assert answer.error["code"] == "output_is_input"


def test_what_its_work_refuses_ends_the_job_with_the_reason_and_a_retry_tries_it_again(
    tmp_path: Path,
) -> None:
    whole = WholeFarm.in_folder(tmp_path, refused="preparejob")
    name = whole.submit("PrepareJob")
    whole.run()
    assert whole.farm.job(name).state is JobState.FAILED
    assert (whole.error(name)["code"], whole.error(name)["where"]) == ("subject_no_consent", "spec.consent")
    whole.whole = FakeWhole(folder=whole.whole.folder)
    whole.farm.ask(RetryRequest(job=name))
    whole.run()
    assert whole.farm.job(name).state is JobState.SUCCEEDED
    assert whole.farm.job(name).error is None


def test_one_on_hold_waits_for_a_resume_and_says_what_it_is(whole: WholeFarm) -> None:
    name = whole.submit("EvaluateJob", on_hold=True)
    whole.run()
    assert whole.farm.job(name).state is JobState.HELD
    whole.farm.ask(ResumeRequest(job=name))
    whole.run()
    assert whole.farm.job(name).state is JobState.SUCCEEDED


@pytest.mark.parametrize("kind", KINDS)
def test_a_new_run_of_the_farm_goes_on_with_what_was_not_done(whole: WholeFarm, kind: str) -> None:
    name = whole.submit(kind)
    with whole.running() as coordinator:
        coordinator.run_until(lambda: name in coordinator.state.whole)
    assert whole.farm.job(name).state is JobState.QUEUED
    whole.run()
    assert whole.farm.job(name).state is JobState.SUCCEEDED


def test_a_paused_one_stays_paused_over_a_restart_and_goes_on(whole: WholeFarm) -> None:
    whole.farm.pools = PoolSizes(render=2)
    name = whole.submit("TrainJob")
    with whole.running() as coordinator:
        coordinator.run_until(lambda: name in coordinator.state.whole)
        whole.farm.ask(PauseRequest(job=name))
        coordinator.run_until(lambda: coordinator.is_idle)
    assert whole.farm.job(name).state is JobState.PAUSED
    whole.farm.pools = POOLS
    whole.run()
    assert whole.farm.job(name).state is JobState.PAUSED
    whole.farm.ask(ResumeRequest(job=name))
    whole.run()
    assert whole.farm.job(name).state is JobState.SUCCEEDED


def test_without_a_replica_for_it_a_job_waits_and_says_so_until_it_is_cancelled(whole: WholeFarm) -> None:
    whole.farm.pools = PoolSizes(render=2, preparation=1)
    name = whole.submit("TrainJob")
    with whole.running() as coordinator:
        coordinator.run_until(lambda: name in coordinator.state.whole)
        asked = whole.farm.ask(WhyRequest(job=name))
        coordinator.run_until(lambda: whole.farm.journal.answer_to(asked) is not None)
        whole.farm.ask(CancelRequest(job=name))
        coordinator.run_until(lambda: coordinator.is_idle)
    assert "spec.replicas.training of its file is 0" in whole.farm.answer(asked).text
    assert whole.farm.job(name).state is JobState.CANCELLED


def test_it_has_no_takes_to_choose(whole: WholeFarm) -> None:
    name = whole.submit("TrainJob", on_hold=True)
    whole.run()
    asked = whole.farm.ask(ChooseRequest(job=name, take=1))
    whole.run()
    error = whole.farm.answer(asked).error
    assert error is not None
    assert error["code"] == "other_kind"
