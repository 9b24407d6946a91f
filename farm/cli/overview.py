"""`farm list`, `farm status` and `farm wait`: where jobs stand, read from the journal; no farm needs to run."""

from __future__ import annotations

import math
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from farm.cli.guarding import Run, argument, command, flag, option
from farm.cli.output import Terminal, UsageError
from jobs.errors import Cancelled, ExitCode, FarmError, NotEnded, RenderError
from jobs.farm_requests import SubmitRequest
from jobs.lifecycle import JobState, SegmentState
from jobs.locations import is_slug

if TYPE_CHECKING:
    from farm.ledger import Ledger, LedgerJob
    from infra.journal import Journal
    from infra.settings import FarmSettings

_WAITING = "waits for a farm"
_SETTLED = (SegmentState.COMMITTED, SegmentState.WAIVED)
_MOST_SHOWN = 20
_LOOK_S = 0.2
_NEEDS_A_PERSON = (JobState.HELD, JobState.PAUSED)

JobArgument = Annotated[str, argument("JOB", "The job's name in the farm, as in hello-7.")]

app = typer.Typer()


@contextmanager
def opened_journal(settings: FarmSettings, *, must_exist: bool = True) -> Iterator[Journal]:
    """The journal for the length of a block.

    Raises:
        JournalError: It cannot be opened, or must exist and does not.
    """
    from infra.journal import open_journal

    journal = open_journal(settings.journal, must_exist=must_exist)
    try:
        yield journal
    finally:
        journal.close()


def check_studio(name: str) -> None:
    """Refuse what can be no studio's name.

    Raises:
        UsageError: It cannot.
    """
    if not is_slug(name):
        raise UsageError(
            "must be 1 to 63 letters, digits, '.', '_' or '-'", where="--studio", hint="as in north"
        )


@command(app, "list")
def _list(
    run: Run,
    *,
    everything: Annotated[bool, flag("--all", "Also jobs that have ended.")] = False,
) -> ExitCode:
    """Show the jobs of the shared farm."""
    from farm.asking import waiting_submits
    from farm.ledger import load_ledger

    terminal = run.terminal
    with opened_journal(run.settings) as journal:
        # In this order: what a farm takes in between the two is in both, and not in neither.
        waiting = waiting_submits(journal)
        ledger, _ = load_ledger(journal)
    jobs = [job for job in ledger.jobs.values() if everything or not job.is_over_for_good]
    records = [_line(job) for job in jobs] + [
        _waiting_line(*each) for each in waiting.items() if each[0] not in ledger.jobs
    ]
    if terminal.result({"jobs": records}):
        return ExitCode.OK
    if not records:
        terminal.note("no job waits or runs" + ("" if everything else "; --all shows those that ended"))
        return ExitCode.OK
    table = Table(box=None, pad_edge=False)
    for column in ("job", "studio", "state", "segments", "why"):
        table.add_column(column, justify="right" if column == "segments" else "left")
    for record in records:
        done = f"{record['settled']}/{record['segments']}" if record["segments"] else "-"
        cells = (record["job"], record["studio"], record["state"], done, record["reason"])
        table.add_row(*(Text(cell) for cell in cells))
    terminal.out.print(table)
    return ExitCode.OK


@command(app, "status")
def _status(run: Run, *, job: JobArgument) -> ExitCode:
    """Show one job: where it stands and why, its segments, replay bundles and masters."""
    from farm.asking import refusal_of, waiting_submits
    from farm.ledger import load_ledger
    from farm.scheduling.messages import unknown_job

    with opened_journal(run.settings) as journal:
        waiting = waiting_submits(journal)
        ledger, _ = load_ledger(journal)
        refusal = refusal_of(journal, job)
    known = ledger.jobs.get(job)
    if known is not None:
        record = _line(known) | _details(known)
    elif job in waiting:
        record = _waiting_line(job, waiting[job])
    else:
        raise refusal or unknown_job(job)
    if not run.terminal.result(record):
        run.terminal.facts((name, value) for name, value in _rows(record) if value)
    return ExitCode.OK


@command(app, "wait")
def _wait(
    run: Run,
    *,
    jobs: Annotated[list[str], argument("JOB...", "Names of jobs in the farm.")],
    timeout: Annotated[
        float | None,
        option(
            "--timeout",
            "SECONDS",
            "Wait no longer than this; the jobs go on, and the exit code is 10.",
            least=0,
        ),
    ] = None,
) -> ExitCode:
    """Wait until jobs have ended; the exit code is that of the first that did not succeed."""
    with opened_journal(run.settings) as journal:
        return wait_for_jobs(journal, jobs, timeout_s=timeout, terminal=run.terminal)


def wait_for_jobs(
    journal: Journal,
    names: Sequence[str],
    *,
    terminal: Terminal,
    timeout_s: float | None = None,
    refused: Sequence[tuple[str, FarmError]] = (),
) -> ExitCode:
    """Wait until every job has ended. A job that no farm has taken in yet is waited for as well.

    Args:
        journal: Where they are.
        names: The jobs.
        terminal: Where to tell it.
        timeout_s: Seconds after which nobody waits any more; None for ever.
        refused: Jobs that the farm did not take, told together with the others; theirs is the exit code.

    Returns:
        OK where all succeeded; otherwise the exit code of the first, in the order given, that did not.

    Raises:
        RequestRefused: There is no such job.
        JournalError: The journal cannot be read.
        NotEnded: The time is up; the jobs go on.
        Cancelled: Interrupted from the keyboard; the jobs go on.
    """
    from farm.ledger import load_ledger
    from farm.ledger.loading import take_entry

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


def _ending_of(job: LedgerJob) -> FarmError | None:
    """The error of a job that has ended; None where it succeeded."""
    from farm.asking import error_from_record

    if job.state is JobState.SUCCEEDED:
        return None
    if job.error is not None:
        return error_from_record(job.error)
    message = str(job.reason) if job.reason else f"it is {job.state.value}"
    if job.state is JobState.CANCELLED:
        return Cancelled("it was cancelled", where=job.name, hint="submit it again to render what is missing")
    return RenderError(message, where=job.name, code=job.state.value)


def _outcome(
    jobs: Sequence[LedgerJob], *, refused: Sequence[tuple[str, FarmError]], terminal: Terminal
) -> ExitCode:
    endings = [_ending_of(job) for job in jobs]
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
    from farm.asking import refusal_of, waiting_submits
    from farm.ledger import load_ledger
    from farm.scheduling.messages import unknown_job

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
        because = f": {job.reason}" if job.reason and job.state in _NEEDS_A_PERSON else ""
        terminal.note(f"{name} is {job.state.value}{because}")


def _line(job: LedgerJob) -> dict[str, Any]:
    return {
        "job": job.name,
        "studio": job.studio,
        "state": job.state.value,
        "reason": _why(job),
        "code": job.waits.error.get("code", "") if job.waits else job.reason.code if job.reason else "",
        "segments": len(job.segments),
        "settled": sum(job.segments.count(state) for state in _SETTLED),
    }


def _why(job: LedgerJob) -> str:
    if job.waits is not None:
        waits = job.waits
        return f"{waits.doing} waits, and is tried again: [{waits.error.get('code')}] {waits.error.get('message')}"
    return str(job.reason) if job.reason else ""


def _waiting_line(name: str, request: SubmitRequest) -> dict[str, Any]:
    return {
        "job": name,
        "studio": request.studio,
        "state": _WAITING,
        "reason": "no farm has seen it yet",
        "code": "",
        "segments": 0,
        "settled": 0,
    }


def _details(job: LedgerJob) -> dict[str, Any]:
    return {
        "folder": job.folder,
        "plan_hash": job.plan_hash,
        "told": list(job.told),
        "takes": job.takes,
        "segments_per_take": job.segments_per_take,
        "segment_states": {state.value: count for state, count in job.counts().items()},
        "tries": job.tries,
        "seconds": round(job.seconds, 3),
        "quarantined": _numbered(job, SegmentState.QUARANTINED),
        "waived": _numbered(job, SegmentState.WAIVED),
        "bundles": {str(segment): place for segment, place in sorted(job.bundles.items())},
        "delivered": [
            {"take": each.take, "master": each.master, "manifest": each.manifest, "sha256": each.sha256}
            for each in job.delivered.values()
        ],
        "waits": job.waits and {"doing": job.waits.doing, "error": job.waits.error},
        "error": job.error,
    }


def _numbered(job: LedgerJob, state: SegmentState) -> list[dict[str, int]]:
    """Segments in a state as people count them: take from 1, place in the take from 0."""
    return [
        {"take": number // job.segments_per_take + 1, "segment": number % job.segments_per_take}
        for number in job.segments.numbers(state)
    ]


def _rows(record: dict[str, Any]) -> list[tuple[str, str]]:
    states = record.get("segment_states", {})
    error = record.get("error") or (record.get("waits") or {}).get("error") or {}
    bundles = record.get("bundles", {})
    return [
        ("job", record["job"]),
        ("studio", record["studio"]),
        ("state", record["state"]),
        ("because", record["reason"]),
        ("error", f"[{error['code']}] {error['message']}" if error else ""),
        ("hint", error.get("hint", "")),
        *(("the speech", sentence) for sentence in record.get("told", [])),
        ("takes", str(record.get("takes") or "")),
        ("segments", ", ".join(f"{count} {state}" for state, count in states.items())),
        ("tries", str(record.get("tries") or "")),
        ("render time", f"{record['seconds']:.1f} s" if record.get("seconds") else ""),
        ("in quarantine", _places(record.get("quarantined", []))),
        ("waived", _places(record.get("waived", []))),
        *(("bundle", place) for place in list(bundles.values())[:_MOST_SHOWN]),
        *(("master", each["master"]) for each in record.get("delivered", [])),
        ("plan", record.get("plan_hash", "")[:16]),
        ("folder", record.get("folder", "")),
    ]


def _places(segments: list[dict[str, int]]) -> str:
    shown = [f"take {each['take']} segment {each['segment']}" for each in segments[:_MOST_SHOWN]]
    more = len(segments) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more > 0 else "")
