"""The journal of a shared farm: an append-only list of events with one writer, in SQLite or PostgreSQL."""

from infra.journal.base import Asked, Entry, Journal, Snapshot
from infra.journal.opening import open_journal
from infra.journal.patience import Patience

__all__ = ["Asked", "Entry", "Journal", "Patience", "Snapshot", "open_journal"]
