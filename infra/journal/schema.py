"""Makes the journal's tables in an empty database, and refuses a database that holds anything else."""

from __future__ import annotations

from sqlalchemy import Connection, insert, inspect, select, text

from infra.journal.chain import NO_ENTRY
from infra.journal.database import Database
from infra.journal.tables import SCHEMA_VERSION, head, metadata, schema_version
from jobs.errors import JournalError


def prepare_schema(database: Database, *, must_exist: bool) -> None:
    """Make sure that the database is a journal of this version.

    Raises:
        JournalError: It is not, and cannot become one.
    """
    if database.read(lambda connection: _is_ready(connection, database.shown), retry=False):
        return
    if must_exist:
        raise JournalError(
            "there is no journal",
            where=database.shown,
            code="journal_not_found",
            hint="name another, or start the farm first: it makes one",
        )
    database.write(lambda connection: _create(connection, database), retry=False)


def _is_ready(connection: Connection, where: str) -> bool:
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
    expected = set(metadata.tables)
    if not present & expected and (not present or connection.dialect.name == "postgresql"):
        return False
    version = (
        connection.execute(select(schema_version.c.version)).scalars().all()
        if schema_version.name in present
        else []
    )
    if version == [SCHEMA_VERSION] and expected <= present:
        return True
    if len(version) == 1 and version != [SCHEMA_VERSION]:
        raise JournalError(
            f"is a journal of version {version[0]}; this is version {SCHEMA_VERSION}",
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


def _create(connection: Connection, database: Database) -> None:
    database.lock_for_creation(connection)
    if _is_ready(connection, database.shown):
        return  # somebody else was first
    metadata.create_all(connection)
    connection.execute(insert(schema_version).values(version=SCHEMA_VERSION))
    connection.execute(insert(head).values(id=1, sequence=0, epoch=0, chain=NO_ENTRY))
