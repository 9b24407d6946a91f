"""`farm train` as a user types it, with an engine that keeps the job it was given instead of training."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from farm.cli import main
from farm.cli.bars import TrainingBars
from farm.cli.output import Terminal
from farm.cli.wiring import Wiring
from farm.training.progress import FittedLimits, TrainingListener, TrainingReport
from infra.hardware import Hardware
from infra.settings import FarmSettings
from jobs.errors import ExitCode, TrainingFailed
from jobs.parse import LoadedTraining

MACHINE = Hardware(cores=2, memory_bytes=8 << 30, cpu_kind="cpu test", gpus=())
LIMITS = FittedLimits(frames=50, unseen=15, beyond=("faces is 0.25",))


@dataclass
class RecordingEngine:
    """Tells a short run to the listener and reports it; keeps what it was called with."""

    resumed_from: int | None = None
    error: BaseException | None = None
    jobs: list[LoadedTraining] = field(default_factory=list)
    settings: list[FarmSettings] = field(default_factory=list)

    def __call__(
        self,
        job: LoadedTraining,
        *,
        settings: FarmSettings,
        hardware: Hardware,
        listener: TrainingListener,
    ) -> TrainingReport:
        self.jobs.append(job)
        self.settings.append(settings)
        assert hardware is MACHINE
        print("noise of a library")
        if self.resumed_from is None:
            listener.validated(step=0, losses={"mouth": 0.5}, score=2.0, is_best=True)
        else:
            listener.resumed(step=self.resumed_from)
        listener.advanced(step=300, steps=400, losses={"mouth": 0.3, "image": 0.1})
        listener.restarted(reason="a worker was killed", attempt=1)
        if self.error is not None:
            raise self.error
        listener.validated(step=400, losses={"mouth": 0.25}, score=1.25, is_best=True)
        return TrainingReport(
            name=job.job.metadata.name,
            stage=job.job.spec.stage,
            steps=400,
            resumed_from=self.resumed_from,
            first_score=2.0,
            best_score=1.25,
            best_step=400,
            weights=job.output,
            weights_sha256="ab" * 32,
            checkpoints="training/default/x/0123/checkpoints",
            logs="/cache/logs",
            seconds=83.4,
            workers=job.job.spec.workers,
            limits=None if job.subject is None else LIMITS,
        )


@dataclass
class Typed:
    """What running one command line came to."""

    code: int
    engine: RecordingEngine
    out: str
    err: str

    @property
    def job(self) -> LoadedTraining:
        (job,) = self.engine.jobs
        return job


Train = Callable[..., Typed]


@pytest.fixture
def train(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Train:
    """Types `farm train ...` in a folder that holds the subjects jane, tom-1 and tom-2."""
    monkeypatch.setenv("FARM_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    for name in ("jane", "tom-1", "tom-2"):
        (tmp_path / "subjects" / name).mkdir(parents=True)

    def run(*arguments: str | Path, engine: RecordingEngine | None = None) -> Typed:
        engine = engine or RecordingEngine()
        wiring = Wiring(train=engine, probe=lambda: MACHINE)
        code = main(["train", *(str(argument) for argument in arguments)], wiring=wiring)
        out, err = capsys.readouterr()
        return Typed(code=code, engine=engine, out=out, err=err)

    return run


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    """A train job in a folder of its own."""
    record: dict[str, Any] = {
        "apiVersion": "farm/v1",
        "kind": "TrainJob",
        "metadata": {"name": "toms", "project": "demo"},
        "spec": {"stage": "renderer", "clips": ["../subjects/tom-*"], "steps": 400, "workers": 2},
    }
    path = tmp_path / "specs" / "toms.yaml"
    path.parent.mkdir()
    path.write_text(json.dumps(record))
    return path


def test_a_file_is_trained_and_the_result_says_how_much_it_helped(
    train: Train, spec: Path, tmp_path: Path
) -> None:
    typed = train(spec)
    assert typed.code == ExitCode.OK
    assert typed.job.job.metadata.project == "demo"
    assert typed.job.find_clips().training == (tmp_path / "subjects/tom-1", tmp_path / "subjects/tom-2")
    table = {tuple(line.split()) for line in typed.out.splitlines()}
    assert ("mouth", "0.5", "0.25") in table
    assert ("score", "(lower", "is", "better)", "2", "1.25") in table
    for shown in (
        str(tmp_path / "specs" / "toms.safetensors"),
        "ab" * 32,
        "training/default/x/0123/checkpoints",
        "/cache/logs",
        "best, step 400",
        "400 steps, 1 min 23 s on 2 workers",
    ):
        assert shown in typed.out


def test_validations_and_lost_workers_are_told_where_nobody_watches(train: Train, spec: Path) -> None:
    err = train(spec).err.splitlines()
    assert "renderer 'toms' on 2 clips" in err
    assert "step 0: validation 2, the best so far" in err
    assert "attempt 1 after a loss: a worker was killed" in err
    assert "step 400: validation 1.25, the best so far" in err


def test_json_is_one_document_and_nothing_else(train: Train, spec: Path) -> None:
    typed = train(spec, "--json")
    record = json.loads(typed.out)
    assert record["ok"] is True
    assert (record["name"], record["first_score"], record["best_score"]) == ("toms", 2.0, 1.25)
    assert typed.err == ""


def test_a_resumed_run_says_from_where_and_shows_no_losses_it_did_not_see(train: Train, spec: Path) -> None:
    typed = train(spec, engine=RecordingEngine(resumed_from=200))
    assert "goes on from the checkpoint of step 200" in typed.err
    assert "400 steps, from step 200" in typed.out
    table = {tuple(line.split()) for line in typed.out.splitlines()}
    assert ("mouth", "-", "0.25") in table


def test_a_subject_alone_makes_a_job(train: Train, tmp_path: Path) -> None:
    typed = train(
        "--stage", "renderer", "--renderer", "paper", "--from", "base", "--subject", "subjects/jane"
    )
    assert typed.code == ExitCode.OK, typed.err
    jane = tmp_path / "subjects" / "jane"
    assert typed.job.job.metadata.name == "jane"
    assert (typed.job.start_from, typed.job.job.spec.renderer) == ("base", "paper")
    assert typed.job.subject == jane
    assert typed.job.find_clips().training == (jane,)
    assert typed.job.output == str(tmp_path / "jane.safetensors")
    assert f"also in {jane}, which can be rendered now" in typed.out
    assert "limits fitted on 50 frames, 15 of them never learnt from" in typed.out
    assert "not good: faces is 0.25" in typed.out


def test_every_option_reaches_the_job(train: Train, tmp_path: Path) -> None:
    typed = train(
        *("--stage", "moda", "--clips", "subjects/tom-*", "--clips", "subjects/jane"),
        *("--held-out", "subjects/tom-2", "--from", "old/moda.safetensors", "--name", "second"),
        *("--preset", "paper", "--steps", "7", "--workers", "3", "--output", "s3://bucket/moda.safetensors"),
        *("--store", "elsewhere"),
    )
    assert typed.code == ExitCode.OK, typed.err
    spec, found = typed.job.job.spec, typed.job.find_clips()
    assert [folder.name for folder in found.training] == ["tom-1", "jane"]
    assert [folder.name for folder in found.held_out] == ["tom-2"]
    assert typed.job.job.metadata.name == "second"
    assert (spec.preset, spec.steps, spec.workers) == ("paper", 7, 3)
    assert typed.job.start_from == str(tmp_path / "old" / "moda.safetensors")
    assert typed.job.output == "s3://bucket/moda.safetensors"
    assert typed.engine.settings[0].store == str(tmp_path / "elsewhere")
    assert "on 2 clips, 1 held out" in typed.err


def test_an_option_wins_over_the_file_and_its_path_starts_here(
    train: Train, spec: Path, tmp_path: Path
) -> None:
    typed = train(spec, "--clips", "subjects/jane", "--steps", "9", "--output", "here.safetensors")
    assert typed.job.find_clips().training == (tmp_path / "subjects" / "jane",)
    assert (typed.job.job.spec.steps, typed.job.job.spec.workers) == (9, 2)
    assert typed.job.output == str(tmp_path / "here.safetensors")


@pytest.mark.parametrize(
    ("arguments", "code", "exit_code"),
    [
        pytest.param([], "usage", ExitCode.USAGE, id="nothing"),
        pytest.param(["--stage", "moda"], "usage", ExitCode.USAGE, id="no clips"),
        pytest.param(["--subject", "subjects/jane"], "usage", ExitCode.USAGE, id="no stage"),
        pytest.param(["absent.yaml"], "unreadable", ExitCode.USAGE, id="no file"),
        pytest.param(["--stage", "rendrer", "--clips", "x"], "bad_value", ExitCode.USAGE, id="no such stage"),
        pytest.param(
            ["--stage", "moda", "--subject", "subjects/jane"], "other_stage", ExitCode.USAGE, id="other stage"
        ),
        pytest.param(
            ["--stage", "moda", "--clips", "x", "--from", "base"], "other_stage", ExitCode.USAGE, id="base"
        ),
        pytest.param(
            ["--stage", "renderer", "--clips", "x", "--renderer", "warped", "--preset", "paper"],
            "other_renderer",
            ExitCode.USAGE,
            id="other renderer",
        ),
        pytest.param(
            ["--stage", "faco", "--clips", "nobody*"], "input_not_found", ExitCode.INPUT, id="no clip"
        ),
        pytest.param(
            ["--stage", "renderer", "--clips", "x", "--subject", "y"], "bad_value", ExitCode.USAGE, id="stray"
        ),
        pytest.param(
            ["--stage", "faco", "--clips", "x", "--steps", "0"], "usage", ExitCode.USAGE, id="steps"
        ),
    ],
)
def test_a_wrong_command_line_ends_in_one_line_before_anything_is_trained(
    arguments: list[str], code: str, exit_code: ExitCode, train: Train
) -> None:
    typed = train(*arguments)
    assert typed.code == exit_code
    assert typed.engine.jobs == []
    assert typed.out == ""
    errors = [line for line in typed.err.splitlines() if line.startswith("error ")]
    assert len(errors) == 1
    assert f"[{code}]" in errors[0]

    typed = train(*arguments, "--json")
    assert typed.code == exit_code
    assert json.loads(typed.out)["error"]["exit_code"] == exit_code
    assert typed.err == ""


def test_a_render_job_is_sent_to_the_command_that_takes_it(train: Train) -> None:
    typed = train(Path(__file__).parents[3] / "examples" / "hello.yaml")
    assert typed.code == ExitCode.USAGE
    assert "use farm render" in typed.err


def test_a_failed_training_has_an_exit_code_of_its_own(train: Train, spec: Path) -> None:
    failed = TrainingFailed("the losses are no longer numbers", where="step 301", hint="lower learning_rate")
    typed = train(spec, engine=RecordingEngine(error=failed))
    assert typed.code == ExitCode.TRAINING == 8
    assert "error [training_failed] step 301: the losses are no longer numbers" in typed.err
    assert typed.out == ""


def test_an_interrupt_says_that_the_checkpoint_stays(train: Train, spec: Path) -> None:
    typed = train(spec, engine=RecordingEngine(error=KeyboardInterrupt()))
    assert typed.code == ExitCode.INTERRUPTED
    assert "error [cancelled] train: stopped from the keyboard" in typed.err
    assert "the last checkpoint stays" in typed.err
    assert "segments" not in typed.err


def test_without_the_training_extra_the_error_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spec: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("tom-1", "tom-2"):
        (tmp_path / "subjects" / name).mkdir(parents=True)
    monkeypatch.setenv("FARM_CACHE", str(tmp_path / "cache"))
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    assert main(["train", str(spec), "--json"], wiring=Wiring(probe=lambda: MACHINE)) == ExitCode.TRAINING
    error = json.loads(capsys.readouterr().out)["error"]
    assert error["code"] == "training_extra_missing"
    assert "tensorboardX" in error["message"]
    assert error["hint"].startswith("make install")


class Watched(Terminal):
    """A terminal that somebody watches."""

    @property
    def shows_progress(self) -> bool:
        return True


def test_somebody_who_watches_sees_steps_losses_and_the_best_validation(
    capsys: pytest.CaptureFixture[str],
) -> None:
    terminal = Watched(as_json=False)
    terminal.err.width = 120
    with TrainingBars(terminal, name="toms") as bars:
        bars.resumed(step=200)
        bars.advanced(step=300, steps=400, losses={"mouth": 0.3, "image": 0.12345})
        bars.validated(step=300, losses={}, score=1.5, is_best=True)
        bars.validated(step=400, losses={}, score=1.75, is_best=False)
        bars.advanced(step=400, steps=400, losses={"mouth": 0.25, "image": 0.1})
    shown = capsys.readouterr().err
    assert "400/400" in shown
    assert "mouth 0.25   image 0.1" in shown
    assert "1.5, the best so far, at step 300" in shown
    assert "step 400: validation 1.75\n" in shown
