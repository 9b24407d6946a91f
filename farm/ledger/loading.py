"""From a journal to its ledger: the latest snapshot, and what came after it."""

from __future__ import annotations

import logging

from pydantic import ValidationError

from farm.ledger.ledger import Ledger
from infra.journal.base import Entry, Journal
from jobs.errors import JournalCorrupt
from jobs.journal_events import AnyJournalEvent, event_from_json

logger = logging.getLogger(__name__)


def load_ledger(journal: Journal) -> tuple[Ledger, int]:
    """Fold the journal.

    Returns:
        The ledger, and the sequence of the last entry that is in it.

    Raises:
        JournalError: The journal cannot be read.
        JournalCorrupt: An entry is no event of this version, or cannot have happened; the error names it.
    """
    ledger = kept_ledger(journal)
    catch_up(ledger, journal)
    return ledger, ledger.sequence


def kept_ledger(journal: Journal) -> Ledger:
    """The ledger of the newest snapshot; an empty one where there is none that this version reads.

    Raises:
        JournalError: The journal cannot be read.
    """
    snapshot = journal.latest_snapshot()
    if snapshot is None:
        return Ledger()
    try:
        ledger = Ledger.from_json(snapshot.body)
    except JournalCorrupt as error:
        logger.warning("%s; all of the journal is read", error.line())
        return Ledger()
    return ledger if ledger.sequence == snapshot.sequence else Ledger()


def catch_up(ledger: Ledger, journal: Journal) -> None:
    """Take in the entries that the ledger does not know. Raises as `load_ledger`."""
    for entry in journal.read(after=ledger.sequence):
        take_entry(ledger, entry, where=journal.address)


def take_entry(ledger: Ledger, entry: Entry, *, where: str) -> None:
    """Take in the next entry of the journal at that address.

    Raises:
        JournalCorrupt: It is no event of this version, or cannot have happened; the error names it.
    """
    event = event_of(entry, where=where)
    try:
        ledger.take(event, at=entry.at)
    except JournalCorrupt as error:
        raise JournalCorrupt(error.message, where=where, hint=error.hint) from error


def event_of(entry: Entry, *, where: str) -> AnyJournalEvent:
    """The event that an entry holds.

    Raises:
        JournalCorrupt: It is none of this version.
    """
    try:
        return event_from_json(entry.body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise JournalCorrupt(
            f"entry {entry.sequence} is no event of this version: {first['msg']}",
            where=where,
            hint="use the version of the farm that wrote it",
        ) from error
