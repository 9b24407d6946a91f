"""`farm journal check` and `farm journal show` as a user types them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from farm.cli import main
from infra.journal import open_journal
from jobs.errors import ExitCode
from jobs.journal_events import JobErred, JobReceived, StateMoved
from jobs.reasons import ReasonKind


def received(job: str) -> str:
    return JobReceived(job=job, studio="north", document={}, folder="/jobs").model_dump_json()


def moved(subject: str, before: str, event: str, after: str, kind: ReasonKind) -> str:
    return StateMoved(
        subject=subject, before=before, event=event, after=after, reason_kind=kind, reason="so it is"
    ).model_dump_json()


@pytest.fixture
def journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A journal of two jobs, one of them cancelled."""
    path = tmp_path / "farm.sqlite"
    monkeypatch.setenv("FARM_JOURNAL", str(path))
    opened = open_journal(str(path))
    epoch = opened.begin_epoch("test")
    asked, quiet = ReasonKind.USER, ReasonKind.WORK
    erred = JobErred(job="film", error={"code": "cancelled", "message": "a [bold]word[/bold]"})
    opened.append(
        epoch,
        [
            received("film"),
            received("spot"),
            moved("film", "received", "cancel asked", "cancel requested", asked),
            moved("film", "cancel requested", "quiet", "cancelled", quiet),
            erred.model_dump_json(),
        ],
    )
    opened.ask("{}", token="t")
    opened.close()
    return path


def append(path: Path, body: str) -> None:
    opened = open_journal(str(path))
    opened.append(opened.begin_epoch("test"), [body])
    opened.close()


def test_check_says_that_the_journal_is_whole(journal: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["journal", "check"]) == ExitCode.OK
    out = capsys.readouterr().out
    assert out == f"{journal}: whole; 5 events of 2 jobs, 1 requests without an answer\n"
    assert main(["journal", "check", "--json"]) == ExitCode.OK
    record = json.loads(capsys.readouterr().out)
    assert (record["entries"], record["jobs"], record["requests"]) == (5, 2, 1)


def test_check_names_what_cannot_have_happened(journal: Path, capsys: pytest.CaptureFixture[str]) -> None:
    append(journal, received("film"))
    assert main(["journal", "check"]) == ExitCode.INFRASTRUCTURE
    err = capsys.readouterr().err
    assert f"[journal_corrupt] {journal}: entry 6 cannot have happened" in err


def test_a_journal_that_is_not_there_is_not_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FARM_JOURNAL", str(tmp_path / "none.sqlite"))
    for command in ("check", "show"):
        assert main(["journal", command]) == ExitCode.INFRASTRUCTURE
        assert "[journal_not_found]" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_show_has_a_line_for_each_event_as_it_was_written(
    journal: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["journal", "show"]) == ExitCode.OK
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 5
    assert lines[1].endswith("spot: received from north")
    assert lines[2].endswith("film: cancel asked, received -> cancel requested (user: so it is)")
    assert lines[4].endswith("film: error [cancelled] a [bold]word[/bold]")


def test_show_can_be_of_one_job_and_in_json(journal: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["journal", "show", "--job", "film", "--json"]) == ExitCode.OK
    entries = json.loads(capsys.readouterr().out)["entries"]
    assert [entry["sequence"] for entry in entries] == [1, 3, 4, 5]
    assert entries[0]["event"]["studio"] == "north"
    assert main(["journal", "show", "--job", "nobody"]) == ExitCode.USAGE
    assert capsys.readouterr().out == ""


def test_a_document_that_never_ends_is_refused(journal: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["journal", "show", "--follow", "--json"]) == ExitCode.USAGE
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "usage"
