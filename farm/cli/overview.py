"""`farm list` and `farm status`: where jobs stand, read from the journal; no farm needs to run."""

from __future__ import annotations

from typing import Any

from rich.table import Table
from rich.text import Text

from farm.asking import refusal_of, waiting_submits
from farm.cli.output import Terminal
from farm.ledger import LedgerJob, load_ledger
from farm.scheduling.refusals import unknown_job
from infra.journal import open_journal
from infra.settings import FarmSettings
from jobs.errors import ExitCode
from jobs.farm_requests import SubmitRequest
from jobs.lifecycle import SegmentState

_WAITING = "waits for a farm"
_SETTLED = (SegmentState.COMMITTED, SegmentState.WAIVED)
_MOST_SHOWN = 20


def run_list(*, everything: bool, settings: FarmSettings, terminal: Terminal) -> ExitCode:
    """Show the jobs that have not ended, or all of them.

    Raises:
        JournalError: The journal cannot be read.
    """
    journal = open_journal(settings.journal, must_exist=True)
    try:
        # In this order: what a farm takes in between the two is in both, and not in neither.
        waiting = waiting_submits(journal)
        ledger, _ = load_ledger(journal)
    finally:
        journal.close()
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


def run_status(name: str, *, settings: FarmSettings, terminal: Terminal) -> ExitCode:
    """Show one job.

    Raises:
        FarmError: The farm did not take the job in, and why.
        RequestRefused: There is no such job.
        JournalError: The journal cannot be read.
    """
    journal = open_journal(settings.journal, must_exist=True)
    try:
        waiting = waiting_submits(journal)
        ledger, _ = load_ledger(journal)
        refusal = refusal_of(journal, name)
    finally:
        journal.close()
    job = ledger.jobs.get(name)
    if job is not None:
        record = _line(job) | _details(job)
    elif name in waiting:
        record = _waiting_line(name, waiting[name])
    else:
        raise refusal or unknown_job(name)
    if not terminal.result(record):
        _show(record, terminal)
    return ExitCode.OK


def _line(job: LedgerJob) -> dict[str, Any]:
    return {
        "job": job.name,
        "studio": job.studio,
        "state": job.state.value,
        "reason": job.reason.text if job.reason else "",
        "segments": len(job.segments),
        "settled": sum(job.segments.count(state) for state in _SETTLED),
    }


def _waiting_line(name: str, request: SubmitRequest) -> dict[str, Any]:
    return {
        "job": name,
        "studio": request.studio,
        "state": _WAITING,
        "reason": "no farm has seen it yet",
        "segments": 0,
        "settled": 0,
    }


def _details(job: LedgerJob) -> dict[str, Any]:
    return {
        "folder": job.folder,
        "plan_hash": job.plan_hash,
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
        "error": job.error,
    }


def _numbered(job: LedgerJob, state: SegmentState) -> list[dict[str, int]]:
    """Segments in a state as people count them: take from 1, place in the take from 0."""
    return [
        {"take": number // job.segments_per_take + 1, "segment": number % job.segments_per_take}
        for number in job.segments.numbers(state)
    ]


def _show(record: dict[str, Any], terminal: Terminal) -> None:
    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_column(style="dim")
    table.add_column(overflow="fold")
    for name, value in _rows(record):
        if value:
            table.add_row(name, Text(value))
    terminal.out.print(table)


def _rows(record: dict[str, Any]) -> list[tuple[str, str]]:
    states = record.get("segment_states", {})
    error = record.get("error") or {}
    bundles = record.get("bundles", {})
    return [
        ("job", record["job"]),
        ("studio", record["studio"]),
        ("state", record["state"]),
        ("because", record["reason"]),
        ("error", f"[{error['code']}] {error['message']}" if error else ""),
        ("hint", error.get("hint", "")),
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
