"""SQLite: one file on a local disk, durable at every commit, read by others while it is written."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.pool import StaticPool

from infra.journal.address import DatabaseKind, JournalAddress
from infra.journal.database import Database
from infra.journal.patience import DatabasePatience
from infra.journal.tables import schema_version
from jobs.errors import JournalError

_LONGEST_LOG_BYTES: Final = 16 << 20
"""The write-ahead log is cut to this when it starts anew."""


class SqliteDialect:
    """What only SQLite does."""

    def lock_for_creation(self, connection: Connection) -> None:
        """A transaction that writes has the whole file."""

    def damage(self, connection: Connection) -> str:
        """First finding of the integrity check."""
        found = connection.exec_driver_sql("PRAGMA integrity_check(1)").scalars().first()
        return "" if found == "ok" else " ".join(str(found).split())

    def tidy(self, connection: Connection) -> None:
        """Move the write-ahead log into the file. Where somebody reads just now, the next time does it."""
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").all()


def sqlite_database(address: JournalAddress, *, patience: DatabasePatience, must_exist: bool) -> Database:
    """The database of a file, or one in memory that all threads of this process share.

    Raises:
        JournalError: There is no such file and there must be, or its folder cannot be made.
    """
    is_memory = address.kind is DatabaseKind.MEMORY
    if not is_memory:
        _prepare_folder(address, must_exist=must_exist)
    arguments = {"check_same_thread": False, "timeout": patience.busy_s}
    if is_memory:
        engine = create_engine(address.url, connect_args=arguments, poolclass=StaticPool)
    else:
        engine = create_engine(address.url, connect_args=arguments)
    _listen(engine)
    return Database(
        engine, SqliteDialect(), address=address, patience=patience, is_shared_connection=is_memory
    )


def _prepare_folder(address: JournalAddress, *, must_exist: bool) -> None:
    path: Path = address.path
    try:
        if must_exist and not path.exists():
            raise JournalError(
                "there is no journal",
                where=address.shown,
                code="journal_not_found",
                hint="name another, or start the farm first: it makes one",
            )
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        reason = (error.strerror or type(error).__name__).lower()
        raise JournalError(
            f"its folder cannot be used: {reason}",
            where=address.shown,
            code="journal_unreachable",
            hint="check the folder and its rights",
        ) from error


def _listen(engine: Engine) -> None:
    @event.listens_for(engine, "connect")
    def configure(connection: sqlite3.Connection, _record: object) -> None:
        # The driver begins no transaction by itself: ours begin as readers or as writers.
        connection.isolation_level = None
        # A damaged text must be readable to be found.
        connection.text_factory = _text
        tables = {
            name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        }
        if not tables or schema_version.name in tables:  # a file of others stays as it is
            connection.execute("PRAGMA journal_mode = WAL").close()
        connection.execute("PRAGMA synchronous = FULL").close()
        connection.execute(f"PRAGMA journal_size_limit = {_LONGEST_LOG_BYTES}").close()

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        options = connection.get_execution_options()
        if options.get("transaction", True):
            connection.exec_driver_sql("BEGIN IMMEDIATE" if options.get("writes", False) else "BEGIN")


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")
