"""`farm journal`: what happened on a shared farm, and whether its journal is whole."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from rich.text import Text

from farm.cli.common_options import EXIT_CODES, JsonOption
from farm.cli.guarding import guarded
from farm.cli.output import Terminal, UsageError
from farm.cli.waiting import check_known
from farm.ledger import Ledger, load_ledger
from farm.ledger.loading import event_of, take_entry
from farm.ledger.sentences import job_of, sentence
from infra.journal import Entry, Journal, open_journal
from infra.settings import FarmSettings
from jobs.errors import ExitCode

_EPILOG = f"Exit codes:\n\n{EXIT_CODES}"
_LOOK_S = 0.5

journal_app = typer.Typer(
    help="The journal of FARM_JOURNAL: what happened to the jobs of a shared farm.",
    no_args_is_help=True,
    rich_markup_mode="rich",
)


@journal_app.command("check", epilog=_EPILOG)
def _check(context: typer.Context, as_json: JsonOption = False) -> None:
    """Prove that the journal is whole: every hash, no gap, and nothing that cannot have happened."""
    guarded(
        lambda settings, terminal, _wiring: run_check(settings=settings, terminal=terminal),
        context=context,
        store=None,
        as_json=as_json,
    )


@journal_app.command("show", epilog=_EPILOG)
def _show(
    context: typer.Context,
    job: Annotated[
        str | None,
        typer.Option("--job", metavar="NAME", help="Only what happened to this job.", show_default=False),
    ] = None,
    follow: Annotated[
        bool, typer.Option("--follow", help="Go on with what happens from now on, until interrupted.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Show what happened, a line for each event."""
    guarded(
        lambda settings, terminal, _wiring: run_show(
            job, follow=follow, as_json=as_json, settings=settings, terminal=terminal
        ),
        context=context,
        store=None,
        as_json=as_json,
    )


def run_check(*, settings: FarmSettings, terminal: Terminal) -> ExitCode:
    """Check the journal, and fold all of it without its snapshot.

    Raises:
        JournalError: It cannot be read.
        JournalCorrupt: It is not whole, or tells what cannot have happened.
    """
    journal = open_journal(settings.journal, must_exist=True)
    try:
        entries = journal.check()
        ledger = Ledger()
        for entry in journal.read():
            take_entry(ledger, entry, where=journal.address)
        waiting = len(journal.asked())
    finally:
        journal.close()
    record = {"journal": journal.address, "entries": entries, "jobs": len(ledger.jobs), "requests": waiting}
    if not terminal.result(record):
        terminal.out.print(
            f"{journal.address}: whole; {entries} events of {len(ledger.jobs)} jobs, "
            f"{waiting} requests without an answer",
            markup=False,
        )
    return ExitCode.OK


def run_show(
    job: str | None, *, follow: bool, as_json: bool, settings: FarmSettings, terminal: Terminal
) -> ExitCode:
    """Show the journal's events, of one job or of all.

    Raises:
        UsageError: One JSON document cannot go on for ever.
        RequestRefused: There is no such job.
        JournalError: The journal cannot be read.
    """
    if follow and as_json:
        raise UsageError("--follow has no end and --json is one document", where="command line")
    journal = open_journal(settings.journal, must_exist=True)
    try:
        if job is not None:
            check_known(load_ledger(journal)[0], [job], journal=journal)
        if as_json:
            entries = [_record(entry) for entry in journal.read() if _is_of(entry, job, journal)]
            terminal.result({"entries": entries})
            return ExitCode.OK
        last = _print(journal, job, terminal)
        while follow:
            time.sleep(_LOOK_S)
            last = _print(journal, job, terminal, after=last)
    finally:
        journal.close()
    return ExitCode.OK


def _is_of(entry: Entry, job: str | None, journal: Journal) -> bool:
    return job is None or job_of(event_of(entry, where=journal.address)) == job


def _print(journal: Journal, job: str | None, terminal: Terminal, *, after: int = 0) -> int:
    """Returns the last sequence that was read, whether or not it was one of the job."""
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
    event = event_of(entry, where="the journal").model_dump(mode="json")
    return {"sequence": entry.sequence, "epoch": entry.epoch, "at": entry.at, "event": event}
