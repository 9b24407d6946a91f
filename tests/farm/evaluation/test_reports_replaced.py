"""Reports are replaced where the farm wrote them; videos, and whatever else lies there, never."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from fake_judge import FakeJudge
from kept_files import Said, hashes, run

from farm.cli.wiring import Wiring
from farm.evaluation.worker import Judged, PairTask, PairWorker, WorkSetup
from infra.hardware import Hardware
from jobs.errors import ExitCode

MACHINE = Hardware(cores=2, memory_bytes=8 << 30, cpu_kind="cpu test", gpus=())

Farm = Callable[..., Said]


class OnePair:
    """Judges in this process."""

    def __init__(self, worker: PairWorker) -> None:
        self._worker, self._waiting = worker, list[PairTask]()

    def submit(self, task: PairTask) -> None:
        self._waiting.append(task)

    def wait(self, *, timeout_s: float) -> list[Judged]:
        task = self._waiting.pop(0)
        return [Judged(task=task, result=self._worker.perform(task))]


@pytest.fixture
def farm(
    tmp_path: Path, judge: FakeJudge, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Farm:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FARM_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("FARM_STORE", str(tmp_path / "cache" / "store"))

    @contextmanager
    def opened(setup: WorkSetup, _pairs: int, **_ignored: Any) -> Iterator[OnePair]:
        yield OnePair(PairWorker(judge=judge, setup=setup))

    monkeypatch.setattr("farm.evaluation.evaluate_job.opened_judges", opened)
    wiring = Wiring(judge=judge, probe=lambda: MACHINE)
    return lambda *arguments: run(*arguments, wiring=wiring, read=capsys.readouterr)


@pytest.fixture
def refuses(farm: Farm, judge: FakeJudge, tmp_path: Path) -> Farm:
    """Runs a command that must be refused before anything is judged and leave every file as it was."""

    def check(*arguments: str | Path) -> Said:
        before, calls = hashes(tmp_path), judge.calls()
        said = farm(*arguments)
        assert said.exit_code == ExitCode.OUTPUT
        assert hashes(tmp_path) == before
        assert judge.calls() == calls
        return said

    return check


@pytest.fixture
def job(write_videos: Any, write_job: Any) -> Path:
    write_videos("ours", a="LMD 1", b="LMD 2")
    path: Path = write_job()
    return path


OUTPUTS = (
    "report.json",
    "report.md",
    "manifest.json",
    "plots/ours/a/tracks.png",
    "plots/ours/b/manifest.json",
)


@pytest.mark.parametrize("name", OUTPUTS)
def test_a_file_that_the_farm_did_not_write_stays(
    name: str, refuses: Farm, farm: Farm, job: Path, tmp_path: Path
) -> None:
    path = tmp_path / "report" / name
    path.parent.mkdir(parents=True)
    path.write_bytes(b"my own")
    assert refuses("evaluate", job).code == "output_exists"
    assert farm("evaluate", job, "--overwrite").exit_code == ExitCode.OK
    assert path.read_bytes() != b"my own"
    assert farm("evaluate", job).exit_code == ExitCode.OK


@pytest.mark.parametrize("options", [[], ["--overwrite"]], ids=["", "overwrite"])
@pytest.mark.parametrize("name", OUTPUTS[:3])
def test_a_report_never_replaces_a_video(
    name: str, options: list[str], refuses: Farm, job: Path, tmp_path: Path
) -> None:
    (tmp_path / "report").mkdir()
    (tmp_path / "report" / name).hardlink_to(tmp_path / "out" / "ours" / "a.mp4")
    said = refuses("evaluate", job, *options)
    assert said.code == "output_is_input"
    assert "spec.output.uri" in said.text
    assert "spec.systems.ours" in said.text


@pytest.mark.parametrize("options", [[], ["--overwrite"]], ids=["", "overwrite"])
def test_plots_are_not_drawn_among_the_videos(
    options: list[str], refuses: Farm, job: Path, write_job: Any, tmp_path: Path
) -> None:
    (tmp_path / "report" / "plots" / "ours").mkdir(parents=True)
    (tmp_path / "test").rename(tmp_path / "report" / "plots" / "ours" / "a")
    said = refuses("evaluate", write_job(truth="report/plots/ours/a"), *options)
    assert said.code == "output_is_input"


def test_a_job_is_never_replaced_by_its_report(refuses: Farm, job: Path, tmp_path: Path) -> None:
    (tmp_path / "report").mkdir()
    record = (
        '{"apiVersion": "farm/v1", "kind": "EvaluateJob", "metadata": {"name": "table"}, "spec": '
        '{"systems": {"ours": "../out/ours"}, "truth": "../test", "output": {"uri": "."}}}'
    )
    (tmp_path / "report" / "report.json").write_text(record)
    said = refuses("evaluate", tmp_path / "report" / "report.json", "--overwrite")
    assert said.code == "output_is_input"
    assert "the job's file" in said.text


def test_evaluating_again_is_nothing_special_whatever_changed(
    farm: Farm, job: Path, write_videos: Any, write_job: Any
) -> None:
    assert farm("evaluate", job).exit_code == ExitCode.OK
    assert farm("evaluate", job).exit_code == ExitCode.OK
    write_videos("ours", a="LMD 3")
    assert farm("evaluate", job).exit_code == ExitCode.OK
    assert farm("evaluate", write_job(measures="[niqe]")).exit_code == ExitCode.OK


def test_a_report_that_somebody_edited_is_theirs(
    refuses: Farm, farm: Farm, job: Path, tmp_path: Path
) -> None:
    assert farm("evaluate", job).exit_code == ExitCode.OK
    page = tmp_path / "report" / "report.md"
    page.write_text(page.read_text() + "my remarks")
    assert refuses("evaluate", job).code == "output_exists"
    assert farm("evaluate", job, "--overwrite").exit_code == ExitCode.OK


def test_plots_that_somebody_retouched_are_theirs(
    farm: Farm, job: Path, write_videos: Any, tmp_path: Path
) -> None:
    assert farm("evaluate", job).exit_code == ExitCode.OK
    plot = tmp_path / "report" / "plots" / "ours" / "a" / "tracks.png"
    plot.write_bytes(b"retouched")
    assert farm("evaluate", job).exit_code == ExitCode.OK, "nothing is drawn anew"
    write_videos("ours", a="LMD 3")
    assert farm("evaluate", job).code == "output_exists"
    assert plot.read_bytes() == b"retouched"


def videos(folder: Path) -> list[str | Path]:
    (folder / "a.mp4").write_text("generated")
    (folder / "b.mp4").write_text("true")
    return ["evaluate", "--generated", folder / "a.mp4", "--truth", folder / "b.mp4"]


PAGES = ("evaluation.json", "evaluation.md", "tracks.png", "errors.png", "worst.png", "manifest.json")


@pytest.mark.parametrize("name", PAGES)
def test_a_page_of_two_videos_replaces_no_file_of_anybody_else(
    name: str, refuses: Farm, tmp_path: Path
) -> None:
    (tmp_path / "page").mkdir()
    (tmp_path / "page" / name).write_bytes(b"my own")
    assert refuses(*videos(tmp_path), "--out", tmp_path / "page").code == "output_exists"


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("option", ["--generated", "--truth", "--speech"])
def test_a_page_of_two_videos_replaces_none_of_them(
    name: str, option: str, refuses: Farm, tmp_path: Path
) -> None:
    named = dict(zip(("--generated", "--truth", "--speech"), "abc", strict=True))
    (tmp_path / "page").mkdir()
    for letter in named.values():
        (tmp_path / f"{letter}.mp4").write_text(letter)
    (tmp_path / "page" / name).symlink_to(tmp_path / f"{named[option]}.mp4")
    arguments = [part for given, letter in named.items() for part in (given, tmp_path / f"{letter}.mp4")]
    said = refuses("evaluate", *arguments, "--out", tmp_path / "page", "--overwrite")
    assert said.code == "output_is_input"
    assert "--out" in said.text
    assert option in said.text


def test_pages_of_takes_replace_no_file_of_anybody_else(refuses: Farm, tmp_path: Path) -> None:
    (tmp_path / "page" / "take-2").mkdir(parents=True)
    (tmp_path / "page" / "take-2" / "worst.png").write_bytes(b"my own")
    takes = [*videos(tmp_path), "--generated", tmp_path / "b.mp4"]
    assert refuses(*takes, "--out", tmp_path / "page").code == "output_exists"


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str | Path]:
    (tmp_path / "jane").mkdir()
    monkeypatch.setattr("farm.evaluation.ablations.run_ablations", lambda *_arguments, **_keywords: ())
    return ["evaluate", "--ablations", "--portrait", tmp_path / "jane", "--table", "4", "--table", "5"]


@pytest.mark.parametrize(
    "name",
    [
        "ablations.md",
        "ablations.json",
        "manifest.json",
        "weights/no-faco-0/renderer.safetensors",
        "weights/no-tpe-0/renderer.safetensors.manifest.json",
    ],
)
def test_tables_of_ablations_replace_no_file_of_anybody_else(
    name: str, study: list[str | Path], refuses: Farm, farm: Farm, tmp_path: Path
) -> None:
    path = tmp_path / "tables" / name
    path.parent.mkdir(parents=True)
    path.write_bytes(b"my own")
    assert refuses(*study, "--out", tmp_path / "tables").code == "output_exists"
    assert farm(*study, "--out", tmp_path / "tables", "--overwrite").exit_code == ExitCode.OK


def test_tables_of_ablations_are_replaced_by_the_next(
    study: list[str | Path], refuses: Farm, farm: Farm, tmp_path: Path
) -> None:
    for _ in range(2):
        assert farm(*study, "--out", tmp_path / "tables").exit_code == ExitCode.OK
    said = refuses(*study, "--out", tmp_path / "jane" / "tables", "--overwrite")
    assert said.code == "output_is_input"
    assert "--portrait" in said.text
