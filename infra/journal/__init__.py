"""The journal of a shared farm: an append-only list of events with one writer, in SQLite or PostgreSQL."""

from infra.journal.base import Asked, Entry, Heartbeat, Journal, Snapshot
from infra.journal.keys import KeyTable
from infra.journal.opening import open_journal
from infra.journal.patience import DatabasePatience

__all__ = [
    "Asked",
    "DatabasePatience",
    "Entry",
    "Heartbeat",
    "Journal",
    "KeyTable",
    "Snapshot",
    "open_journal",
]
