"""What happened to one segment, out of the journal: every try, why it ended, and what its pictures were found to be."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from farm.api.studio_files import StudioFiles
from farm.ledger import LedgerJob
from farm.ledger.loading import event_of
from farm.ledger.transitions import parse_subject
from infra.journal.base import Entry, Journal
from jobs.inspection import CheckRecord
from jobs.journal_events import BundleWritten, JobRestored, SegmentCommitted, StateMoved

_AFTERWARDS_S: Final = 60.0
"""After a job came to its end, something may still be noted of it for so long."""

_MOST_ENTRIES: Final = 500_000
"""Read for one history; what lies behind them in a very busy journal is not looked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryLine:
    """One thing that happened.

    Attributes:
        try_number: Of the attempt that it is about; None where it is about the segment itself.
        is_bad: Somebody may want to know why.
    """

    at: datetime
    try_number: int | None
    what: str
    why: str
    code: str = ""
    is_bad: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentHistory:
    """What is known of a segment.

    Attributes:
        sha256: Of its bytes in the store; empty before it is committed.
        seconds: Of a replica that it took.
        checks: What was found in its pictures.
        found: Another job had rendered it.
        is_kept: A bundle is kept, from which whoever runs the farm can render it again.
    """

    entries: tuple[HistoryLine, ...]
    sha256: str = ""
    size_bytes: int = 0
    seconds: float = 0.0
    checks: tuple[CheckRecord, ...] = ()
    found: bool = False
    is_kept: bool = False


def history_of(journal: Journal, job: LedgerJob, segment: int, *, files: StudioFiles) -> SegmentHistory:
    """Look a segment up; reads the journal from the job's beginning, so call it in a thread.

    Raises:
        JournalError: The journal cannot be read.
    """
    entries: list[HistoryLine] = []
    committed: SegmentCommitted | None = None
    is_kept = False
    for entry in _entries_about(journal, job, segment):
        event = event_of(entry, where=journal.address)
        at = datetime.fromtimestamp(entry.at, UTC)
        if isinstance(event, StateMoved):
            subject = parse_subject(event.subject)
            if subject is None or (subject.job, subject.segment) != (job.name, segment):
                continue
            entries.append(
                HistoryLine(
                    at=at,
                    try_number=subject.try_number,
                    what=event.event,
                    why=files.public_text(event.reason, job.studio),
                    code=event.code,
                    is_bad=bool(event.code),
                )
            )
        elif isinstance(event, SegmentCommitted) and (event.job, event.segment) == (job.name, segment):
            committed = event
        elif isinstance(event, BundleWritten) and (event.job, event.segment) == (job.name, segment):
            is_kept = True
        elif isinstance(event, JobRestored) and event.job == job.name:
            entries.append(HistoryLine(at=at, try_number=None, what="taken up again", why=event.reason))
    if committed is None:
        return SegmentHistory(entries=tuple(entries), is_kept=is_kept)
    record = committed.record
    return SegmentHistory(
        entries=tuple(entries),
        sha256=record.sha256,
        size_bytes=record.size_bytes,
        seconds=committed.seconds,
        checks=tuple(record.inspection.checks) if record.inspection else (),
        found=record.found,
        is_kept=is_kept,
    )


def _entries_about(journal: Journal, job: LedgerJob, segment: int) -> Iterator[Entry]:
    """Entries that may be about it; told by their text, because to read each as an event takes ten times as long."""
    named = (f'"{job.name}/{segment}"', f'"{job.name}/{segment}#')
    of_job, of_segment = f'"{job.name}"', f'"segment":{segment}'
    until = job.changed_at + _AFTERWARDS_S if job.is_over_for_good else float("inf")
    for count, entry in enumerate(journal.read(after=job.received)):
        if entry.at > until or count > _MOST_ENTRIES:
            return
        body = entry.body
        about_job = of_job in body and (of_segment in body or '"job restored"' in body)
        if about_job or any(text in body for text in named):
            yield entry
