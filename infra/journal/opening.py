"""From an address to an open journal."""

from __future__ import annotations

from infra.journal.address import DatabaseKind, journal_address
from infra.journal.patience import DatabasePatience
from infra.journal.postgresql import postgresql_database
from infra.journal.schema import prepare_schema
from infra.journal.sql_journal import SqlJournal
from infra.journal.sqlite import sqlite_database
from jobs.errors import FarmError


def open_journal(
    address: str, *, must_exist: bool = False, patience: DatabasePatience | None = None
) -> SqlJournal:
    """Open a journal; a file or database that is empty becomes one.

    Args:
        address: A path, ``sqlite:///PATH``, ``postgresql://USER:PASSWORD@HOST/DATABASE``, or ``:memory:`` for one
            that ends with this process and that all its threads may use.
        must_exist: Make none.
        patience: How long it insists when the database is busy or away.

    Raises:
        SettingsError: It is no such address.
        JournalError: The database cannot be used, or is no journal of this version.
    """
    place = journal_address(address)
    patience = patience or DatabasePatience()
    if place.kind is DatabaseKind.POSTGRESQL:
        database = postgresql_database(place, patience=patience)
    else:
        database = sqlite_database(place, patience=patience, must_exist=must_exist)
    try:
        prepare_schema(database, must_exist=must_exist)
    except FarmError:
        database.close()
        raise
    return SqlJournal(database)
