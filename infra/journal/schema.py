"""Makes the journal's tables in an empty database, brings those of former versions up to date, refuses all else."""

from __future__ import annotations

from sqlalchemy import Connection, insert, inspect, select, text, update

from infra.journal.chain import NO_ENTRY
from infra.journal.database import Database
from infra.journal.tables import ADDED, SCHEMA_VERSION, head, metadata, schema_version
from jobs.errors import JournalError


def prepare_schema(database: Database, *, must_exist: bool) -> None:
    """Make sure that the database is a journal of this version; one of a former version becomes one.

    Raises:
        JournalError: It is not, and cannot become one.
    """
    version = database.read(lambda connection: _version(connection, database.shown), retry=False)
    if version == SCHEMA_VERSION:
        return
    if must_exist and version == 0:
        raise JournalError(
            "there is no journal",
            where=database.shown,
            code="journal_not_found",
            hint="name another, or start the farm first: it makes one",
        )
    database.write(lambda connection: _make_or_migrate(connection, database), retry=False)


def _version(connection: Connection, where: str) -> int:
    """The version of the journal in the database; 0 where it holds nothing."""
    if connection.dialect.name == "postgresql":
        encoding = connection.execute(text("SHOW server_encoding")).scalar_one()
        if encoding != "UTF8":
            raise JournalError(
                f"the database keeps text as {encoding}, not as UTF8",
                where=where,
                code="not_a_journal",
                hint="create the database with ENCODING 'UTF8'",
            )
    present = set(inspect(connection).get_table_names())
    if not present & set(metadata.tables) and (not present or connection.dialect.name == "postgresql"):
        return 0
    found = (
        connection.execute(select(schema_version.c.version)).scalars().all()
        if schema_version.name in present
        else []
    )
    version = found[0] if len(found) == 1 else 0
    if 1 <= version <= SCHEMA_VERSION and _tables_of(version) <= present:
        return version
    if version and not 1 <= version <= SCHEMA_VERSION:
        raise JournalError(
            f"is a journal of version {version}; this is version {SCHEMA_VERSION}",
            where=where,
            code="journal_version",
            hint="use the version of the farm that wrote it, or start with an empty journal",
        )
    raise JournalError(
        "is no journal: the database holds something else",
        where=where,
        code="not_a_journal",
        hint="name an empty database",
    )


def _tables_of(version: int) -> set[str]:
    later = (tables for added, tables in ADDED.items() if added > version)
    return set(metadata.tables).difference(*later)


def _make_or_migrate(connection: Connection, database: Database) -> None:
    database.lock_for_creation(connection)
    # Somebody else may have been first.
    version = _version(connection, database.shown)
    if version == 0:
        metadata.create_all(connection)
        connection.execute(insert(schema_version).values(version=SCHEMA_VERSION))
        connection.execute(insert(head).values(id=1, sequence=0, epoch=0, chain=NO_ENTRY))
    elif version < SCHEMA_VERSION:
        # Tables were only ever added, so a farm of the former version that still runs is not disturbed.
        new = [name for added, tables in ADDED.items() if added > version for name in tables]
        metadata.create_all(connection, tables=[metadata.tables[name] for name in new])
        connection.execute(update(schema_version).values(version=SCHEMA_VERSION))
