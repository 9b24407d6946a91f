"""An evaluate job of a shared farm: its pairs one after the other in one replica, which keeps those that are done."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from fake_judge import FakeJudge

from farm.execution.calls import WholeCall, WholeDone, WholeStep
from farm.execution.work_watch import StopAsked
from farm.whole_work import StageWork
from infra.settings import FarmSettings
from jobs.parse import load_evaluation


@pytest.fixture
def perform(
    settings: FarmSettings, judge: FakeJudge, write_job: Callable[..., Path]
) -> Callable[..., WholeDone]:
    def run(*, stop_at: int | None = None) -> WholeDone:
        job = load_evaluation(write_job())
        call = WholeCall(name="table-1", document=json.dumps(job.job.as_record()), folder=job.folder)

        def tell(step: WholeStep) -> None:
            assert step.step == "judge"
            if step.done == stop_at:
                raise StopAsked

        return StageWork(settings=settings, judge=judge).perform(call, device="cpu", tell=tell)

    return run


def test_every_pair_is_judged_and_the_report_written(
    perform: Callable[..., WholeDone], write_videos: Callable[..., None], judge: FakeJudge
) -> None:
    write_videos("ours", a="LMD 1", b="LMD 2")
    done = perform()
    assert Path(done.outputs[0]).name == "report.md"
    assert Path(done.outputs[0]).exists()
    assert done.told == ("2 of 2 pairs have figures",)


def test_stopped_it_keeps_what_was_judged(
    perform: Callable[..., WholeDone], write_videos: Callable[..., None], judge: FakeJudge
) -> None:
    write_videos("ours", a="LMD 1", b="LMD 2", c="LMD 3")
    with pytest.raises(StopAsked):
        perform(stop_at=2)
    assert judge.calls() == 2
    perform()
    assert judge.calls() == 3


def test_a_pair_that_cannot_be_judged_is_told_and_the_others_have_figures(
    perform: Callable[..., WholeDone], write_videos: Callable[..., None]
) -> None:
    write_videos("ours", a="LMD 1", b="broken")
    done = perform()
    assert done.told[0] == "1 of 2 pairs have figures"
    assert "[clip_not_media]" in done.told[1]
