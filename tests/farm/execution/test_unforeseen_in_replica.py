"""Whatever a stage raises comes back from a replica as a value: one line, with its traceback, small."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fake_stages import FakeStages
from raising import RAISING, raiser

from farm.execution.pools.messages import Refused
from farm.execution.replica import Replica
from farm.scheduling.units import Stage
from jobs.errors import ExitCode, FarmError, InfrastructureError, Retry, SegmentFailed

ROOT = Path(__file__).parents[3]


PLACES = {
    "the subject is loaded": "fake_stages.FakeStages.load_subject",
    "the renderer is loaded": "fake_stages.FakeStages.load_renderer",
    "the inspector is loaded": "fake_stages.FakeStages.load_inspector",
    "a frame is drawn": "fake_stages.FakeRenderer.render",
    "the inspector begins": "stages.inspection.inspector.SegmentInspector.begin",
    "the segment is encoded": "farm.execution.loaded.encode_segment",
    "it is verified": "farm.execution.loaded.verify_segment",
    "it is recorded": "farm.execution.loaded.inspection_record",
    "the inspection is kept": "farm.execution.loaded.keep_inspection",
    "it is committed": "infra.storage.folder.FolderStore.put_if_absent",
}


@pytest.mark.parametrize("kind", RAISING)
@pytest.mark.parametrize("place", PLACES)
def test_a_replica_answers_whatever_is_raised_in_it(
    render: Any,
    make_job: Any,
    write_speech: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    place: str,
    kind: str,
) -> None:
    write_speech(seconds=0.6)
    answers: list[Any] = []
    real = Replica.perform

    def perform(self: Replica, task: Any) -> Any:
        if task.unit.stage is not Stage.RENDER:
            return real(self, task)
        with monkeypatch.context() as patched:
            patched.setattr(PLACES[place], _generator(kind) if "drawn" in place else raiser(kind))
            self.close()
            answers.append(real(self, task))
        answers[-1].error.retry = Retry.NEVER
        return answers[-1]

    monkeypatch.setattr(Replica, "perform", perform)
    with pytest.raises(FarmError) as caught:
        render(make_job())
    (answer,) = answers
    assert isinstance(answer, Refused)
    is_memory = kind == "MemoryError"
    assert type(answer.error) is (InfrastructureError if is_memory else SegmentFailed)
    assert len(pickle.dumps(answer)) < 100_000
    line = answer.error.line()
    assert "\n" not in line
    assert len(line) < 1000
    # Kept by the coordinator, which took it in here, in the same process.
    file = Path(answer.error.traceback_file)
    assert file.parent == tmp_path / "cache" / "crashes"
    assert kind in file.read_text()
    assert str(file) in caught.value.hint
    assert "hunter2" not in line + caught.value.hint + file.read_text()
    assert not (tmp_path / "out").exists() or not list((tmp_path / "out").iterdir())


def _generator(kind: str) -> Any:
    def render(*_: Any, **__: Any) -> Iterator[Any]:
        raiser(kind)()
        yield

    return render


@pytest.mark.parametrize("kind", RAISING)
def test_a_replica_that_cannot_get_ready_says_why_in_one_line(
    stages: FakeStages, monkeypatch: pytest.MonkeyPatch, kind: str, tmp_path: Path, render: Any,
    make_job: Any, write_speech: Any,
) -> None:  # fmt: skip
    write_speech(seconds=0.6)
    monkeypatch.setattr("fake_stages.FakeStages.load_renderer", raiser(kind))
    with pytest.raises(FarmError) as caught:
        render(make_job())
    assert kind in caught.value.traceback
    assert "\n" not in caught.value.line()


@pytest.mark.ray
@pytest.mark.timeout(180)
def test_on_ray_a_failing_replica_ends_the_render_in_one_line_with_a_file(
    tmp_path: Path, write_speech: Any, make_job: Any
) -> None:
    write_speech(seconds=2.2)
    make_job(seed=7)
    environment = os.environ | {
        "PYTHONPATH": f"{ROOT}:{ROOT / 'tests' / 'farm'}",
        "FARM_CACHE": str(tmp_path / "cache"),
        "FARM_STORE": str(tmp_path / "store"),
    }
    process = subprocess.run(
        [
            sys.executable,
            str(ROOT / "tests" / "farm" / "cli" / "farm_with_raising_stages.py"),
            str(tmp_path / "stages"),
            "render",
            str(tmp_path / "hello.yaml"),
            "--replicas",
            "1",
        ],
        env=environment,
        capture_output=True,
        text=True,
        timeout=170,
    )
    assert process.returncode == ExitCode.RENDER, process.stderr
    assert "Traceback" not in process.stdout + process.stderr
    assert process.stdout == ""
    errors = [line for line in process.stderr.splitlines() if line.startswith("error [")]
    assert len(errors) == 1
    assert "RuntimeError: the render stage tripped at frame 50" in errors[0]
    (file,) = (tmp_path / "cache" / "crashes").iterdir()
    assert str(file) in process.stderr
    assert "fake_stages.py" in file.read_text()
    assert not list((tmp_path / "out").glob("*")) if (tmp_path / "out").exists() else True
