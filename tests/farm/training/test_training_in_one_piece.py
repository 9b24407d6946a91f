"""A train job of a shared farm: the real loop in the process of a replica, stopped and gone on with."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from tiny_trainer import TinyTrainers

from farm.evaluation.judge import VideoJudge
from farm.execution.calls import WholeCall, WholeDone, WholeStep
from farm.execution.work_watch import StopAsked
from farm.whole_work import StageWork
from infra.settings import FarmSettings
from infra.storage import open_store
from jobs.errors import DataUnusable
from jobs.identity import sha256_of_file
from jobs.parse import LoadedTraining

Make = Callable[..., LoadedTraining]


def call_of(job: LoadedTraining) -> WholeCall:
    return WholeCall(name="tiny-1", document=json.dumps(job.job.as_record()), folder=job.folder)


def train(
    job: LoadedTraining, settings: FarmSettings, *, stop_at: int | None = None, **faults: object
) -> WholeDone:
    work = StageWork(settings=settings, judge=VideoJudge(), trainers=TinyTrainers(**faults))  # type: ignore[arg-type]

    def tell(step: WholeStep) -> None:
        if stop_at is not None and step.step == "train" and step.done >= stop_at:
            raise StopAsked

    return work.perform(call_of(job), device="cpu", tell=tell)


def test_it_trains_delivers_and_says_what_came_of_it(make_training: Make, settings: FarmSettings) -> None:
    job = make_training(output="{uri: out/w.safetensors}")
    done = train(job, settings)
    assert done.outputs == (str(job.folder / "out" / "w.safetensors"),)
    assert "20 steps; validation" in done.told[0]
    assert Path(done.outputs[0]).exists()
    manifest = json.loads((job.folder / "out" / "w.safetensors.manifest.json").read_text())
    assert manifest["by"] == "train"


def test_stopped_it_keeps_its_step_and_goes_on_to_the_same_weights(
    make_training: Make, settings: FarmSettings, tmp_path: Path
) -> None:
    whole = train(make_training("whole"), settings)
    job = make_training("cut")
    with pytest.raises(StopAsked):
        train(job, settings, stop_at=10)
    keys = list(open_store(settings.store).list("training/tests/cut/"))
    assert any("checkpoints" in key for key in keys)
    assert not (tmp_path / "cut.safetensors").exists()
    done = train(job, settings)
    assert "20 steps, from step 10" in done.told[0]
    assert sha256_of_file(Path(done.outputs[0])) == sha256_of_file(Path(whole.outputs[0]))


def test_what_the_data_cannot_teach_is_told_with_its_own_error(
    make_training: Make, settings: FarmSettings
) -> None:
    with pytest.raises(DataUnusable):
        train(make_training(), settings, bad_clips=True)


def test_no_secret_travels_to_a_replica(settings: FarmSettings) -> None:
    from dataclasses import replace

    secret = replace(settings, key="moda_hush-hush", journal="postgresql://farm:hush-hush@db/farm")
    assert "hush-hush" not in repr(StageWork.of(secret).settings.__reduce_ex__(4)[2])
