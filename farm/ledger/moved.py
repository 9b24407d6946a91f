"""From what the scheduler records to what the journal holds."""

from __future__ import annotations

from farm.scheduling.state import Moved
from jobs.journal_events import StateMoved


def moved_event(moved: Moved) -> StateMoved:
    """The transition as an event; its time is that of the entry it becomes."""
    return StateMoved(
        subject=moved.subject,
        before=moved.before.value,
        event=moved.event.value,
        after=moved.after.value,
        reason_kind=moved.reason.kind,
        reason=moved.reason.text,
    )
