"""`farm wait`: until jobs have ended, with the exit code that they deserve."""

from __future__ import annotations

import math
import time
from collections.abc import Collection, Sequence
from typing import Any

from farm.asking import error_from_record, refusal_of, waiting_submits
from farm.cli.output import Terminal
from farm.ledger import Ledger, LedgerJob, load_ledger
from farm.ledger.loading import take_entry
from farm.scheduling.refusals import unknown_job
from infra.journal import Journal, open_journal
from infra.settings import FarmSettings
from jobs.errors import Cancelled, ExitCode, FarmError, NotEnded, RenderError
from jobs.lifecycle import JobState

_LOOK_S = 0.2
_NEEDS_A_PERSON = (JobState.HELD, JobState.PAUSED)


def run_wait(
    names: Sequence[str], *, timeout_s: float | None, settings: FarmSettings, terminal: Terminal
) -> ExitCode:
    """Wait until every job has ended.

    Args:
        names: The jobs.
        timeout_s: Seconds after which nobody waits any more; None for ever.
        settings: Where the journal is.
        terminal: Where to tell it.

    Returns:
        OK where all succeeded; otherwise the exit code of the first, in the order given, that did not.

    Raises:
        RequestRefused: There is no such job.
        JournalError: The journal cannot be read.
        NotEnded: The time is up; the jobs go on.
        Cancelled: Interrupted from the keyboard; the jobs go on.
    """
    journal = open_journal(settings.journal, must_exist=True)
    try:
        return wait_for_jobs(journal, names, timeout_s=timeout_s, terminal=terminal)
    finally:
        journal.close()


def wait_for_jobs(
    journal: Journal,
    names: Sequence[str],
    *,
    terminal: Terminal,
    timeout_s: float | None = None,
    refused: Sequence[tuple[str, FarmError]] = (),
) -> ExitCode:
    """Wait until the jobs have ended, see `run_wait`. A job that no farm has taken in yet is waited for as well.

    Args:
        journal: Where they are.
        names: The jobs.
        terminal: Where to tell it.
        timeout_s: Seconds after which nobody waits any more; None for ever.
        refused: Jobs that the farm did not take, told together with the others; theirs is the exit code.
    """
    ledger, _ = load_ledger(journal)
    told: dict[str, JobState] = {}
    until = math.inf if timeout_s is None else time.monotonic() + timeout_s
    try:
        while not all(_has_ended(ledger, name) for name in names):
            check_known(ledger, names, journal=journal)
            _tell(ledger, names, told=told, terminal=terminal)
            if time.monotonic() >= until:
                raise _not_ended(ledger, names)
            time.sleep(_LOOK_S)
            for entry in journal.read(after=ledger.sequence):
                take_entry(ledger, entry, where=journal.address)
    except KeyboardInterrupt:
        hint = "the jobs go on; farm cancel JOB ends one"
        raise Cancelled("stopped waiting", where=", ".join(names), hint=hint) from None
    return _outcome([ledger.jobs[name] for name in names], refused=refused, terminal=terminal)


def ending_of(job: LedgerJob) -> FarmError | None:
    """The error of a job that has ended; None where it succeeded."""
    if job.state is JobState.SUCCEEDED:
        return None
    if job.error is not None:
        return error_from_record(job.error)
    message = job.reason.text if job.reason else f"it is {job.state.value}"
    if job.state is JobState.CANCELLED:
        return Cancelled("it was cancelled", where=job.name, hint="submit it again to render what is missing")
    return RenderError(message, where=job.name, code=job.state.value)


def _outcome(
    jobs: Sequence[LedgerJob], *, refused: Sequence[tuple[str, FarmError]], terminal: Terminal
) -> ExitCode:
    endings = [ending_of(job) for job in jobs]
    errors = [*(error for _, error in refused), *(error for error in endings if error)]
    records = [_as_record(name, "refused", error=error) for name, error in refused]
    for job, ending in zip(jobs, endings, strict=True):
        masters = [delivered.master for delivered in job.delivered.values()]
        records.append(_as_record(job.name, job.state.value, masters=masters, error=ending))
    if not terminal.result({"ok": not errors, "jobs": records}):
        for job in jobs:
            for delivered in job.delivered.values():
                terminal.out.print(delivered.master, style="bold", markup=False)
        for error in errors:
            terminal.error(error)
    return errors[0].exit_code if errors else ExitCode.OK


def _as_record(
    job: str, state: str, *, error: FarmError | None, masters: Sequence[str] = ()
) -> dict[str, Any]:
    record = None if error is None else error.as_record()
    return {"job": job, "state": state, "masters": list(masters), "error": record}


def _has_ended(ledger: Ledger, name: str) -> bool:
    job = ledger.jobs.get(name)
    return job is not None and job.state.is_terminal


def _not_ended(ledger: Ledger, names: Collection[str]) -> NotEnded:
    left = [name for name in names if not _has_ended(ledger, name)]
    states = [
        f"{name} is {ledger.jobs[name].state.value if name in ledger.jobs else 'submitted'}" for name in left
    ]
    hint = "the jobs go on; farm why JOB says what one waits for"
    return NotEnded(f"the time is up: {', '.join(states)}", where="wait", hint=hint)


def check_known(ledger: Ledger, names: Collection[str], *, journal: Journal) -> None:
    """See that there are such jobs, or will be once a farm takes them in.

    Raises:
        RequestRefused: There is one that nobody ever handed in.
    """
    unknown = [name for name in names if name not in ledger.jobs]
    if not unknown:
        return
    waiting = waiting_submits(journal)
    missing = [name for name in unknown if name not in waiting]
    if missing:
        # Answered between our reading of the journal and of its requests: look once more.
        known, _ = load_ledger(journal)
        for name in missing:
            if name not in known.jobs:
                raise refusal_of(journal, name) or unknown_job(name)


def _tell(ledger: Ledger, names: Collection[str], *, told: dict[str, JobState], terminal: Terminal) -> None:
    """One sentence for each change of a job's state, for whoever watches."""
    for name in names:
        job = ledger.jobs.get(name)
        if job is None or told.get(name) is job.state:
            continue
        told[name] = job.state
        because = f": {job.reason.text}" if job.reason and job.state in _NEEDS_A_PERSON else ""
        terminal.note(f"{name} is {job.state.value}{because}")
