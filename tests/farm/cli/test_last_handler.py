"""Whatever nobody foresaw in a command: one line, a code, JSON with --json, an exit code and a file; no traceback."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from fake_stages import FakeStages
from raising import KINDS, RAISING, raiser
from stand_in_farm import StandInFarm, farm_at

from farm.cli import main
from farm.cli.output import Terminal
from farm.cli.wiring import Wiring
from infra.journal import open_journal
from jobs.errors import ExitCode

ROOT = Path(__file__).parents[3]

LOAD_LEDGER = "farm.cli.connections.journal_connection.load_ledger"

# Command line, and what is called in its middle.
COMMANDS: dict[str, tuple[tuple[str, ...], str]] = {
    "render": (("render", "SPEC"), "farm.rendering.render_job"),
    "plan": (("plan", "SPEC"), "farm.preparation.gather_cast"),
    "train": (("train", "examples/train-moda.yaml"), "farm.cli.train.load_training"),
    "evaluate": (
        ("evaluate", "--generated", "a.mp4", "--truth", "b.mp4"),
        "farm.cli.evaluate.translated",
    ),
    "evaluate job": (("evaluate", "EVALUATION"), "farm.evaluation.evaluate_job.evaluate_job"),
    "evaluate ablations": (
        ("evaluate", "--ablations", "--clips", "CLIP", "--held-out", "CLIP", "--out", "OUT"),
        "farm.cli.ablations._check",
    ),
    "simulate": (("simulate", "examples/simulation.yaml"), "farm.simulation.simulator.Simulator"),
    "doctor": (("doctor",), "farm.cli.doctor.libraries_quiet"),
    "schema": (("schema", "RenderJob"), "jobs.spec.RenderJob.model_json_schema"),
    "subject prepare": (
        ("subject", "prepare", "a.mp4", "--name", "jane", "--consent", "a.pdf", "--out", "OUT"),
        "farm.cli.subject.prepare_package",
    ),
    "subject table": (("subject", "table", "OUT"), "stages.subject.quality_report.QualityReport.load"),
    "serve": (("serve", "--until-done", "--port", "0"), "farm.shared_farm.run_farm"),
    "serve api": (("serve", "--api-only", "--port", "0"), "farm.api.server.ApiServer.start"),
    "key create": (("key", "create", "--studio", "north"), "infra.journal.keys.KeyTable.create"),
    "key list": (("key", "list"), "infra.journal.keys.KeyTable.all"),
    "key revoke": (("key", "revoke", "a"), "infra.journal.keys.KeyTable.revoke"),
    "submit": (("submit", "SPEC"), "farm.asking.put_request"),
    "list": (("list",), LOAD_LEDGER),
    "status": (("status", "hello-1"), LOAD_LEDGER),
    "wait": (("wait", "hello-1"), LOAD_LEDGER),
    "watch": (("watch", "hello-1"), LOAD_LEDGER),
    "download": (("download", "hello-1"), LOAD_LEDGER),
    "login": (("login", "http://127.0.0.1:9"), "farm.cli.login.check_client"),
    "logout": (("logout",), "farm.cli.login.forget_login"),
    "pause": (("pause", "hello-1"), "farm.asking.put_request"),
    "resume": (("resume", "hello-1"), "farm.asking.put_request"),
    "cancel": (("cancel", "hello-1"), "farm.asking.put_request"),
    "retry": (("retry", "hello-1"), "farm.asking.put_request"),
    "requeue": (("requeue", "hello-1", "--frames", "0-49"), "farm.asking.put_request"),
    "waive": (("waive", "hello-1", "--frames", "0-49"), "farm.asking.put_request"),
    "why": (("why", "hello-1"), "farm.asking.put_request"),
    "batch submit": (("batch", "submit", "SPEC", "--rows", "ROWS"), "farm.cli.batch.rows_of_csv"),
    "batch list": (("batch", "list"), "infra.journal.batches.BatchTable.all"),
    "batch status": (("batch", "status", "a"), "infra.journal.batches.BatchTable.get"),
    "batch cancel": (("batch", "cancel", "a"), "infra.journal.batches.BatchTable.get"),
    "batch download": (("batch", "download", "a"), "infra.journal.batches.BatchTable.get"),
    "webhook add": (("webhook", "add", "https://a.example"), "infra.journal.webhooks.WebhookTable.add"),
    "webhook list": (("webhook", "list"), "infra.journal.webhooks.WebhookTable.all"),
    "webhook remove": (("webhook", "remove", "a"), "infra.journal.webhooks.WebhookTable.remove"),
    "webhook rotate": (("webhook", "rotate", "a"), "infra.journal.webhooks.WebhookTable.rotate"),
    "webhook deliveries": (("webhook", "deliveries", "a"), "infra.journal.webhooks.WebhookTable.get"),
    "webhook resend": (("webhook", "resend", "a", "1"), "infra.journal.webhooks.WebhookTable.get"),
    "replay": (("replay", "OUT"), "farm.replay.reading.read_bundle"),
    "journal check": (("journal", "check"), "farm.ledger.Ledger"),
    "journal show": (("journal", "show"), "farm.ledger.loading.event_of"),
}


@pytest.fixture
def folder(tmp_path: Path, write_speech: Any, make_job: Any, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a job, and a journal that knows one, which no farm serves any more."""
    monkeypatch.setenv("FARM_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("FARM_STORE", str(tmp_path / "store"))
    monkeypatch.setenv("FARM_JOURNAL", farm_at(tmp_path))
    write_speech()
    make_job(seed=7)
    (tmp_path / "rows.csv").write_text("x\n1\n")
    farm = StandInFarm(farm_at(tmp_path))
    try:
        assert main(["submit", str(tmp_path / "hello.yaml")]) == ExitCode.OK
    finally:
        farm.stop()
    return tmp_path


@pytest.fixture
def trip(folder: Path, stages: FakeStages, monkeypatch: pytest.MonkeyPatch, capfd: Any) -> Any:
    """Runs a command, of which something raises in the middle."""

    def run(name: str, kind: str, *more: str) -> tuple[int, str, str]:
        arguments, target = COMMANDS[name]
        places = {
            "SPEC": folder / "hello.yaml",
            "OUT": folder / "out",
            "ROWS": folder / "rows.csv",
            "CLIP": folder,
            "EVALUATION": ROOT / "examples" / "evaluate.yaml",
        }
        monkeypatch.setattr(target, raiser(kind))
        capfd.readouterr()
        monkeypatch.chdir(ROOT)
        wiring = Wiring(stages=stages, open_on=raiser(kind), probe=_machine, train=raiser(kind))
        code = main([*(str(places.get(each, each)) for each in arguments), *more], wiring=wiring)
        out, err = capfd.readouterr()
        return code, out, err

    return run


def _machine() -> Any:
    from infra.hardware import Hardware

    return Hardware(cores=2, memory_bytes=8 << 30, cpu_kind="cpu test", gpus=())


def check_file(path: str, kind: str, *, folder: Path) -> None:
    """The named file is there and holds the traceback, and no password."""
    file = Path(path)
    assert file.parent == folder / "cache" / "crashes"
    text = file.read_text()
    assert "Traceback (most recent call last):" in text
    assert kind in text
    assert "raising.py" in text
    assert "engine: moda-farm" in text
    assert "hunter2" not in text
    assert len(text) < 20_000
    assert file.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("kind", RAISING)
@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_ends_in_one_line_a_code_and_a_file(
    trip: Any, folder: Path, name: str, kind: str
) -> None:
    code, out, err = trip(name, kind)
    is_memory = kind == "MemoryError"
    assert code == (ExitCode.INFRASTRUCTURE if is_memory else ExitCode.INTERNAL)
    notes = ("journal ", "serving at ", "the first key")
    line, hint = (line for line in err.splitlines() if not line.startswith(notes))
    assert line.startswith("error [infrastructure_failed]" if is_memory else "error [internal_error]")
    assert ("out of memory" if is_memory else kind) in line
    assert len(line) < 700
    assert line.isprintable()
    assert "hunter2" not in err
    assert "Traceback" not in out + err
    file = next(word for word in hint.split() if "/crashes/" in word).rstrip(",")
    check_file(file, kind, folder=folder)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", COMMANDS)
def test_with_json_it_is_one_document(trip: Any, folder: Path, name: str, kind: str) -> None:
    code, out, err = trip(name, kind, "--json")
    record = json.loads(out)
    assert err == ""
    assert record["ok"] is False
    error = record["error"]
    assert error["exit_code"] == code
    is_memory = kind == "MemoryError"
    assert error["code"] == ("infrastructure_failed" if is_memory else "internal_error")
    assert error["traceback_file"] in error["hint"]
    assert "traceback" not in error
    check_file(error["traceback_file"], kind, folder=folder)


@pytest.mark.parametrize("kind", RAISING)
def test_what_happens_before_a_command_begins_is_told_alike(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: Any, kind: str
) -> None:
    monkeypatch.setenv("FARM_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("farm.cli.app.engine_version", raiser(kind))
    code = main(["--version"])
    out, err = capsys.readouterr()
    assert code == (ExitCode.INFRASTRUCTURE if kind == "MemoryError" else ExitCode.INTERNAL)
    assert (out, len(err.splitlines())) == ("", 2)
    check_file(next(word for word in err.split() if "/crashes/" in word).rstrip(","), kind, folder=tmp_path)


@pytest.mark.parametrize("breaks", ["error", "_write_json"])
def test_an_error_that_cannot_be_shown_still_gives_its_exit_code_and_a_bare_line(
    trip: Any, monkeypatch: pytest.MonkeyPatch, breaks: str
) -> None:
    monkeypatch.setattr(Terminal, breaks, raiser("RecursionError"))
    code, out, err = trip("list", "RuntimeError", *(["--json"] if breaks == "_write_json" else []))
    assert code == ExitCode.INTERNAL
    assert "Traceback" not in out + err
    told = out if breaks == "_write_json" else err
    assert "internal_error" in told
    assert len(told.splitlines()) == 1


def test_where_the_cache_cannot_be_written_the_file_is_among_the_temporary_ones(
    trip: Any, folder: Path
) -> None:
    (folder / "cache").mkdir(exist_ok=True)
    (folder / "cache" / "crashes").write_text("in the way")
    _, out, _ = trip("list", "RuntimeError", "--json")
    file = Path(json.loads(out)["error"]["traceback_file"])
    assert "RuntimeError" in file.read_text()
    assert folder / "cache" not in file.parents
    file.unlink()
    file.parent.rmdir()


def test_a_group_of_exceptions_is_one_line_too(trip: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def trip_twice() -> Any:
        raise ExceptionGroup("two at once", [ValueError("one"), KeyError("two")])

    monkeypatch.setitem(RAISING, "RuntimeError", trip_twice)
    code, out, _ = trip("list", "RuntimeError", "--json")
    error = json.loads(out)["error"]
    assert code == ExitCode.INTERNAL
    assert "two at once (2 sub-exceptions)" in error["message"]
    assert "KeyError: 'two'" in Path(error["traceback_file"]).read_text()


def farm_process(*arguments: str, folder: Path, **streams: Any) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "farm", *arguments]
    environment = os.environ | {"FARM_CACHE": str(folder / "cache"), "FARM_JOURNAL": farm_at(folder)}
    return subprocess.Popen(command, cwd=ROOT, env=environment, text=True, stderr=subprocess.PIPE, **streams)


@pytest.mark.parametrize(
    "arguments",
    [
        ("journal", "show"),
        ("journal", "show", "--json"),
        ("list",),
        ("--help",),
        ("journal", "show", "--help"),
        ("--version",),
    ],
    ids=" ".join,
)
def test_a_reader_who_goes_away_ends_the_command_without_a_word(
    folder: Path, arguments: tuple[str, ...]
) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    process = farm_process(*arguments, folder=folder, stdout=writing)
    os.close(writing)
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (ExitCode.OUTPUT_CLOSED, "")


def test_a_full_disk_under_stdout_is_told_in_one_line(folder: Path) -> None:
    with open("/dev/full", "w") as full:  # noqa: PTH123  # a device, not a file
        process = farm_process("journal", "show", folder=folder, stdout=full)
        _, err = process.communicate(timeout=60)
    assert process.returncode not in (0, 1, 120)
    assert "Traceback" not in err
    assert len(err.splitlines()) == 2
    assert open_journal(farm_at(folder)).check()
