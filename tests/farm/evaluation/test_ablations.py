"""The paper's ablations: what each variant leaves out, and what the tables say."""

from __future__ import annotations

import json
import math
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from farm.cli import main
from farm.evaluation.ablations import (
    TABLES,
    AblationRequest,
    AblationRow,
    AblationTable,
    _spread,
    run_ablations,
)
from farm.evaluation.markdown import ablations_page, conclusion
from farm.evaluation.published import ABLATIONS
from farm.training.progress import TrainingReport
from farm.training.train_plan import plan_training
from jobs.errors import ExitCode
from jobs.parse import LoadedTraining

# The made-up clips are plain modules beside the tests of the stages.
sys.path.insert(0, str(Path(__file__).parents[2] / "stages"))

from noisy_clip import noisy_clip


class Heard:
    """A listener that remembers."""

    def __init__(self) -> None:
        self.trained: list[str] = []
        self.judged: list[str] = []

    def training(self, label: str, *, table: int, seed: int) -> None:
        self.trained.append(f"{table} {label} {seed}")

    def judging(self, label: str, *, table: int, done: int, total: int) -> None:
        if done == total:
            self.judged.append(f"{table} {label}")


@pytest.fixture
def request_on_noise(tmp_path: Path) -> AblationRequest:
    clips = [
        noisy_clip(tmp_path / name, speaker=name, seed=seed) for seed, name in enumerate(("jane", "tom"))
    ]
    return AblationRequest(
        clips=(str(clips[0]),),
        held_out=(str(clips[1]),),
        judged=(),
        portrait=clips[0],
        tables=(3, 4, 5),
        motion_steps=1,
        renderer_steps=1,
        takes=2,
        seeds=1,
        out=tmp_path / "out",
    )


def train_here(job: LoadedTraining) -> TrainingReport:
    """The job's own trainer, in this process instead of on Ray."""
    from stages.training.build import build_trainer
    from stages.training.trainer import Workers

    plan = plan_training(job, cache=job.folder)
    trainer = build_trainer(replace(plan.request, batch_size=1), workers=Workers(), device="cpu")
    trainer.train_step()
    Path(plan.output).parent.mkdir(parents=True, exist_ok=True)
    trainer.export(Path(plan.output))
    return TrainingReport(
        name=plan.name,
        stage=plan.request.stage,
        steps=1,
        resumed_from=None,
        first_score=0.0,
        best_score=0.0,
        best_step=1,
        weights=plan.output,
        weights_sha256="",
        checkpoints="",
        logs="",
        seconds=0.0,
        workers=1,
    )


@pytest.mark.parametrize("table", [3, 4, 5])
def test_every_row_of_the_paper_is_a_job_that_leaves_out_what_it_says(
    table: int, request_on_noise: AblationRequest
) -> None:
    left_out = {
        "LSTM": ("attention", "lstm"),
        "w/o multimodal attention": ("attention", "specific"),
        "w/o specific attention": ("attention", "probabilistic"),
        "w/o FaCo-Net": ("composed_face", False),
        "w/o TPE": ("temporal_encoding", False),
    }
    assert [variant.label for variant in TABLES[table]] == list(ABLATIONS[table])
    jobs = [request_on_noise.job_of(variant, 3).job.spec for variant in TABLES[table]]
    whole = jobs[-1]
    for variant, spec in zip(TABLES[table][:-1], jobs[:-1], strict=True):
        name, value = left_out[variant.label]
        assert getattr(spec.network, name) == value
        assert getattr(whole.network, name) != value
        assert spec.steps == whole.steps
        assert spec.seed == 3
        assert spec.renderer == whole.renderer == ("paper" if spec.stage == "renderer" else None)


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_all_variants_are_trained_once_and_judged_beside_the_truth(request_on_noise: AblationRequest) -> None:
    heard = Heard()
    tables = run_ablations(request_on_noise, train=train_here, listener=heard)
    assert heard.trained == [
        "3 LSTM 0",
        "3 w/o multimodal attention 0",
        "3 w/o specific attention 0",
        "3 final 0",
        "4 w/o FaCo-Net 0",
        "4 final 0",
        "5 w/o TPE 0",
    ]
    motion, faces, time = tables
    assert motion.row("ground truth").ours["lmd"] == 0.0
    assert all(row.ours["lmd"] or row.label == "ground truth" for row in motion.rows)
    assert faces.row("ground truth").ours["ssim"] == pytest.approx(1.0)
    assert time.row("ground truth").ours["tcm"] == 1.0
    assert faces.row("final").ours == time.row("final").ours
    # One step changes weights by little; that the inputs differ shows all the same.
    assert faces.row("w/o FaCo-Net").ours["psnr"] != faces.row("final").ours["psnr"]
    report = ablations_page(tables)
    assert "| w/o FaCo-Net" in report
    assert "21.96" in report


def test_a_table_without_its_clips_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", "--ablations", "--table", "3"]) == ExitCode.USAGE
    assert "--clips, --held-out" in capsys.readouterr().err
    assert main(["evaluate", "--ablations", "--table", "5"]) == ExitCode.USAGE
    assert "--portrait" in capsys.readouterr().err


def test_clips_that_judge_are_not_those_that_train_or_choose(
    request_on_noise: AblationRequest, capsys: pytest.CaptureFixture[str]
) -> None:
    (learnt,), (chosen,) = request_on_noise.clips, request_on_noise.held_out
    typed = ["evaluate", "--ablations", "--table", "3", "--clips", learnt, "--held-out", chosen]
    for clip in (learnt, chosen):
        out = str(request_on_noise.out)
        assert main([*typed, "--judged", clip, "--out", out]) == ExitCode.USAGE
        assert f"{Path(clip).name} is to judge" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_a_table_of_several_seeds_has_means_and_spreads(request_on_noise: AblationRequest) -> None:
    heard = Heard()
    three = replace(request_on_noise, tables=(3,), seeds=3)
    (table,) = run_ablations(three, train=train_here, listener=heard)
    assert heard.trained[:3] == ["3 LSTM 0", "3 LSTM 1", "3 LSTM 2"]
    row = table.row("final")
    assert (row.spread["lmd"] or 0) > 0
    assert row.best_steps == (1, 1, 1)
    assert f"{row.ours['lmd']:.3f} ± {row.spread['lmd']:.3f}" in ablations_page([table])


def test_options_that_would_do_nothing_are_usage_errors(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", "--table", "3", "--generated", "a.mp4", "--truth", "b.mp4"]) == ExitCode.USAGE
    assert "belong to --ablations" in capsys.readouterr().err
    assert main(["evaluate", "--ablations", "--portrait", "jane", "--generated", "a.mp4"]) == ExitCode.USAGE
    assert "neither SPEC nor videos" in capsys.readouterr().err
    assert main(["evaluate", "--ablations", "--portrait", "jane", "--sample-every", "9"]) == ExitCode.USAGE
    assert "nor how these are judged" in capsys.readouterr().err
    for option in ("--motion-steps", "--renderer-steps"):
        assert main(["evaluate", option, "3", "--generated", "a.mp4"]) == ExitCode.USAGE
        assert "belong to --ablations" in capsys.readouterr().err


def test_a_table_is_json_whatever_was_measured() -> None:
    truth = AblationRow(label="ground truth", ours={"psnr": math.inf, "tcm": math.nan, "ssim": 1.0}, paper={})
    record = AblationTable(table=4, rows=(truth,)).as_record()
    (row,) = json.loads(json.dumps(record, allow_nan=False))["rows"]
    assert row["ours"] == {"psnr": "inf", "tcm": None, "ssim": 1.0}
    assert (row["label"], row["paper"], row["steps"]) == ("ground truth", {}, None)


def test_a_figure_that_is_no_number_has_no_spread() -> None:
    assert math.isnan(_spread([1.0, math.inf]))
    assert _spread([1.0, 3.0]) == pytest.approx(math.sqrt(2))


def test_the_tables_say_which_way_the_contradiction_fell() -> None:
    def table(specific: float, probabilistic: float) -> AblationTable:
        lmd = {"LSTM": 2.0, "w/o multimodal attention": specific, "w/o specific attention": probabilistic}
        return AblationTable(
            table=3,
            rows=tuple(
                AblationRow(label=label, ours={"lmd": value}, paper=ABLATIONS[3][label])
                for label, value in (lmd | {"final": 1.0}).items()
            ),
        )

    assert "with the text, and against the table" in conclusion(table(1.1, 1.5))
    assert "with the table, and against the text" in conclusion(table(1.5, 1.1))
