from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fake_stages import FakeStages

from farm.cli import main
from farm.cli.wiring import Wiring
from farm.execution.opening import opened_inline
from infra.hardware import Hardware
from infra.journal import open_journal
from jobs.errors import ExitCode
from jobs.journal_events import JobReceived

Farm = Callable[..., int]


@pytest.fixture
def farm(tmp_path: Path, stages: FakeStages, monkeypatch: pytest.MonkeyPatch) -> Farm:
    """Runs a command line with small stages, a store and a journal in the temporary folder."""
    monkeypatch.setenv("FARM_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("FARM_STORE", str(tmp_path / "store"))
    monkeypatch.setenv("FARM_JOURNAL", str(tmp_path / "farm.sqlite"))
    machine = Hardware(cores=2, memory_bytes=8 << 30, cpu_kind="cpu test", gpus=())
    wiring = Wiring(
        stages=stages, open_on=lambda *, stages, **_: opened_inline(stages=stages), probe=lambda: machine
    )
    return lambda *arguments: main([str(argument) for argument in arguments], wiring=wiring)


@pytest.fixture
def spec(tmp_path: Path, write_speech: Any, make_job: Any) -> Path:
    write_speech()
    make_job()
    return tmp_path / "hello.yaml"


def swept(farm: Farm, capsys: pytest.CaptureFixture[str], *options: str) -> dict[str, Any]:
    capsys.readouterr()
    assert farm("sweep", "--json", *options) == ExitCode.OK
    record: dict[str, Any] = json.loads(capsys.readouterr().out)
    return record


def test_what_is_let_go_of_is_swept_and_what_was_delivered_stays(
    farm: Farm, spec: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    farm("render", spec)
    assert (swept(farm, capsys)["removed"], swept(farm, capsys)["kept"]) == (0, 2)
    rehearsal = swept(farm, capsys, "--let-go", "tests/hello", "--dry-run")
    assert (rehearsal["dry_run"], rehearsal["removed"], rehearsal["kept"]) == (True, 2, 0)
    assert rehearsal["removed_bytes"] > 0
    assert swept(farm, capsys)["kept"] == 2
    assert swept(farm, capsys, "--let-go", "tests/hello") == {**rehearsal, "dry_run": False}
    assert [path for path in (tmp_path / "store" / "segments").rglob("*") if path.is_file()] == []
    assert (tmp_path / "out" / "hello.mp4").is_file()
    assert farm("sweep") == ExitCode.OK
    assert "0 segments of 0.00 MB removed, 0 kept; 0 files of renders let go" in capsys.readouterr().out


@pytest.mark.parametrize("render", ["hello", "a/b/c", "../x", "tests/"])
def test_what_is_no_project_and_name_is_refused(
    farm: Farm, render: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert farm("sweep", "--let-go", render) == ExitCode.USAGE
    assert "is no project and name" in capsys.readouterr().err


def test_a_store_is_not_swept_while_a_job_of_the_journal_is_under_way(
    farm: Farm, spec: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    journal = open_journal(str(tmp_path / "farm.sqlite"))
    event = JobReceived(job="hello-1", studio="north", document={}, folder="/")
    journal.append(journal.begin_epoch("a test"), [event.model_dump_json()])
    journal.close()
    assert farm("sweep", "--json") == ExitCode.USAGE
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "jobs_under_way"
