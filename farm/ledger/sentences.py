"""Events in one line each, for people."""

from __future__ import annotations

from farm.ledger.transitions import parse_subject
from jobs.journal_events import (
    AccountNoted,
    AnyJournalEvent,
    BundleWritten,
    JobErred,
    JobPlanned,
    JobReceived,
    JobRestored,
    JobWaits,
    SegmentCommitted,
    StateMoved,
    TakeChosen,
    TakesSketched,
    WholeAdvanced,
    WholeFinished,
)


def job_of(event: AnyJournalEvent) -> str:
    """Name of the job that the event is about."""
    if isinstance(event, StateMoved):
        subject = parse_subject(event.subject)
        return event.subject if subject is None else subject.job
    return event.job


def sentence(event: AnyJournalEvent) -> str:
    """Whom the event is about and what happened."""
    if isinstance(event, StateMoved):
        change = event.after if event.before == event.after else f"{event.before} -> {event.after}"
        because = f"[{event.code}] {event.reason}" if event.code else event.reason
        return f"{event.subject}: {event.event}, {change} ({event.reason_kind}: {because})"
    return f"{event.job}: {_of_job(event)}"


def _of_job(event: AnyJournalEvent) -> str:
    if isinstance(event, JobReceived):
        return f"received from {event.studio}" + (", on hold" if event.on_hold else "")
    if isinstance(event, JobPlanned):
        one_of = f", one of {event.offered}" if event.offered else ""
        return (
            f"{event.takes} takes{one_of} of {event.segments_per_take} segments, plan {event.plan_hash[:16]}"
        )
    if isinstance(event, JobRestored):
        counts = f"{len(event.committed)} committed, {len(event.quarantined)} in quarantine"
        return f"taken up again as {event.state}: {counts}, {len(event.waived)} waived"
    if isinstance(event, SegmentCommitted):
        found = ", rendered by another plan" if event.record.found else ""
        return f"segment {event.segment} is in the store as {event.record.key}{found}"
    if isinstance(event, BundleWritten):
        return f"segment {event.segment} can be rendered again from {event.bundle}"
    if isinstance(event, AccountNoted):
        limit = "" if event.max_gpu_seconds is None else f" of {event.max_gpu_seconds:.0f}"
        return f"{event.spent:.1f}{limit} GPU seconds are spent"
    if isinstance(event, JobWaits):
        return f"{event.doing} waits: [{event.error.get('code', '')}] {event.error.get('message', '')}"
    if isinstance(event, JobErred):
        return f"error [{event.error.get('code', '')}] {event.error.get('message', '')}"
    if isinstance(event, TakesSketched):
        return f"{len(event.takes)} takes can be looked at; it waits for somebody to choose one"
    if isinstance(event, TakeChosen):
        return f"take {event.take} is chosen"
    if isinstance(event, WholeAdvanced):
        return f"{event.step}, {event.done} of {event.total}" if event.total else event.step
    if isinstance(event, WholeFinished):
        return f"done: {', '.join(event.outputs)}"
    if isinstance(event, StateMoved):
        return event.event
    return f"take {event.take} delivered to {event.master}"
