"""Events of the journal as a studio may see them, in streams and in messages to its receivers."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from farm.api.following import Happened
from farm.api.job_answers import public_cause
from farm.api.studio_files import StudioFiles
from farm.ledger.sentences import sentence
from farm.ledger.transitions import parse_subject
from jobs.journal_events import (
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
    TakeDelivered,
    TakesSketched,
    WholeAdvanced,
    WholeFinished,
)
from jobs.webhooks import MessageType


def message_type(event: AnyJournalEvent) -> MessageType | None:
    """What a receiver is told by an event; None where that is about a segment, or nobody's business."""
    if isinstance(event, StateMoved):
        subject = parse_subject(event.subject)
        return MessageType.MOVED if subject is None or subject.segment is None else None
    if isinstance(event, JobReceived):
        return MessageType.RECEIVED
    if isinstance(event, JobPlanned):
        return MessageType.PLANNED
    if isinstance(event, JobRestored):
        return MessageType.RESTORED
    if isinstance(event, JobWaits):
        return MessageType.WAITS
    if isinstance(event, JobErred):
        return MessageType.ERRED
    if isinstance(event, TakesSketched):
        return MessageType.SKETCHED
    if isinstance(event, TakeChosen):
        return MessageType.CHOSEN
    return MessageType.DELIVERED if isinstance(event, TakeDelivered) else None


def public_event(happened: Happened, *, studio: str, files: StudioFiles) -> dict[str, Any]:
    """An event as a studio may see it."""
    event = happened.event
    told: dict[str, Any] = {
        "kind": event.kind,
        "job": happened.job,
        "sequence": happened.sequence,
        "at": datetime.fromtimestamp(happened.at, UTC).isoformat(),
    }
    if isinstance(event, StateMoved):
        subject = parse_subject(event.subject)
        told |= {
            "segment": subject.segment if subject else None,
            "try": subject.try_number if subject else None,
            "before": event.before,
            "event": event.event,
            "after": event.after,
            "reason_kind": event.reason_kind.value,
            "reason": files.public_text(event.reason, studio),
            "code": event.code,
        }
    elif isinstance(event, JobPlanned):
        told |= {"takes": event.takes, "segments_per_take": event.segments_per_take, "offered": event.offered}
    elif isinstance(event, TakesSketched):
        told |= {"takes": [each.take for each in event.takes], "url": f"/v1/jobs/{event.job}"}
    elif isinstance(event, TakeChosen):
        told |= {"take": event.take}
    elif isinstance(event, WholeAdvanced):
        told |= {"step": event.step, "done": event.done, "total": event.total}
    elif isinstance(event, WholeFinished):
        made = [files.public_text(output, studio) for output in event.outputs]
        told |= {"made": made, "seconds": event.seconds}
    elif isinstance(event, SegmentCommitted):
        told |= {"segment": event.segment, "sha256": event.record.sha256, "seconds": event.seconds}
    elif isinstance(event, TakeDelivered):
        url = f"/v1/jobs/{event.job}/masters/{event.take}"
        told |= {"take": event.take, "url": url, "sha256": event.sha256, "size_bytes": event.size_bytes}
    elif isinstance(event, (JobErred, JobWaits)):
        told |= {"error": public_cause(event.error, studio=studio, files=files).model_dump(mode="json")}
    elif isinstance(event, BundleWritten):
        told |= {"segment": event.segment}
    elif isinstance(event, JobReceived):
        told |= {"on_hold": event.on_hold}
    told["sentence"] = files.public_text(_public_sentence(event), studio)
    return told


def _public_sentence(event: AnyJournalEvent) -> str:
    """What happened, without the farm's places."""
    if isinstance(event, SegmentCommitted):
        return f"{event.job}: segment {event.segment} is committed"
    if isinstance(event, TakeDelivered):
        return f"{event.job}: take {event.take} is delivered"
    if isinstance(event, BundleWritten):
        return f"{event.job}: segment {event.segment} was given up and is kept for whoever runs the farm"
    return sentence(event)
