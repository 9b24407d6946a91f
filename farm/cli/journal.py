"""`farm journal`: what happened on a shared farm, and whether its journal is whole."""

from __future__ import annotations

import time
from contextlib import closing
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from farm.cli.connections.choosing import opened_journal
from farm.cli.guarding import Run, command, flag, option
from farm.cli.output import Terminal, UsageError
from jobs.errors import ExitCode

if TYPE_CHECKING:
    from infra.journal import Entry, Journal

_LOOK_S = 0.5

app = typer.Typer(
    help="The journal of FARM_JOURNAL: what happened to the jobs of a shared farm.",
    no_args_is_help=True,
    rich_markup_mode="rich",
)


@command(app, "check")
def _check(run: Run) -> ExitCode:
    """Prove that the journal is whole: every hash, no gap, and nothing that cannot have happened."""
    from farm.ledger import Ledger
    from farm.ledger.loading import take_entry

    with opened_journal(run.settings) as journal:
        entries = journal.check()
        # All of it, without its snapshot.
        ledger = Ledger()
        for entry in journal.read():
            take_entry(ledger, entry, where=journal.address)
        waiting = len(journal.asked())
    record = {"journal": journal.address, "entries": entries, "jobs": len(ledger.jobs), "requests": waiting}
    if not run.terminal.result(record):
        run.terminal.out.print(
            f"{journal.address}: whole; {entries} events of {len(ledger.jobs)} jobs, "
            f"{waiting} requests without an answer",
            markup=False,
        )
    return ExitCode.OK


@command(app, "show")
def _show(
    run: Run,
    *,
    job: Annotated[str | None, option("--job", "NAME", "Only what happened to this job.")] = None,
    follow: Annotated[
        bool, flag("--follow", "Go on with what happens from now on, until interrupted.")
    ] = False,
) -> ExitCode:
    """Show what happened, a line for each event."""
    from farm.cli.connections.journal_connection import JournalConnection

    terminal = run.terminal
    if follow and terminal.is_json:
        raise UsageError("--follow has no end and --json is one document", where="command line")
    if job is not None:
        with closing(JournalConnection(run.settings)) as known:
            known.job(job)
    with opened_journal(run.settings) as journal:
        if terminal.is_json:
            entries = [_record(entry) for entry in journal.read() if _is_of(entry, job, journal)]
            terminal.result({"entries": entries})
            return ExitCode.OK
        last = _print(journal, job, terminal)
        while follow:
            time.sleep(_LOOK_S)
            last = _print(journal, job, terminal, after=last)
    return ExitCode.OK


def _is_of(entry: Entry, job: str | None, journal: Journal) -> bool:
    from farm.ledger.loading import event_of
    from farm.ledger.sentences import job_of

    return job is None or job_of(event_of(entry, where=journal.address)) == job


def _print(journal: Journal, job: str | None, terminal: Terminal, *, after: int = 0) -> int:
    """Returns the last sequence that was read, whether or not it was one of the job."""
    from farm.ledger.loading import event_of
    from farm.ledger.sentences import sentence

    last = after
    for entry in journal.read(after=after):
        last = entry.sequence
        if not _is_of(entry, job, journal):
            continue
        at = datetime.fromtimestamp(entry.at, tz=UTC).strftime("%Y-%m-%d %H:%M:%S")
        line = Text(f"{entry.sequence:>7}  {at}  ", style="dim")
        line.append(sentence(event_of(entry, where="the journal")), style="not dim")
        terminal.out.print(line)
    return last


def _record(entry: Entry) -> dict[str, Any]:
    from farm.ledger.loading import event_of

    event = event_of(entry, where="the journal").model_dump(mode="json")
    return {"sequence": entry.sequence, "epoch": entry.epoch, "at": entry.at, "event": event}
