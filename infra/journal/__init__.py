"""The journal of a shared farm: an append-only list of events with one writer, in SQLite or PostgreSQL."""

from infra.journal.base import Asked, Entry, Journal, Snapshot
from infra.journal.opening import open_journal
from infra.journal.patience import DatabasePatience

__all__ = ["Asked", "DatabasePatience", "Entry", "Journal", "Snapshot", "open_journal"]
