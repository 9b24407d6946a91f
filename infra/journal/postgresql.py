"""PostgreSQL: a journal that several machines reach."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import Connection, Engine, create_engine, event, text

from infra.journal.address import JournalAddress
from infra.journal.database import Database
from infra.journal.patience import DatabasePatience
from jobs.errors import JournalError
from jobs.installation import INSTALL_ALL

_CREATION_LOCK: Final = 0x6D6F6461  # any number, the same for every farm
_CONNECT_S: Final = 10
_HUNG_S: Final = 30
"""A connection that says nothing for so long inside a transaction is ended, and its transaction with it."""


class PostgresqlDialect:
    """What only PostgreSQL does."""

    def lock_for_creation(self, connection: Connection) -> None:
        """An advisory lock, for there is no table yet whose rows could be locked."""
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _CREATION_LOCK})

    def damage(self, connection: Connection) -> str:
        """The server has no check of its own that a client may run."""
        return ""

    def tidy(self, connection: Connection) -> None:
        """The server does it by itself."""


def postgresql_database(address: JournalAddress, *, patience: DatabasePatience) -> Database:
    """The database behind an address; nothing is sent yet.

    Raises:
        JournalError: The driver is not installed.
    """
    arguments: dict[str, Any] = {
        "connect_timeout": _CONNECT_S,
        "application_name": "moda-farm",
        "client_encoding": "utf8",
        "keepalives_idle": _HUNG_S // 3,
        "keepalives_interval": _HUNG_S // 6,
        "keepalives_count": 3,
        "tcp_user_timeout": _HUNG_S * 1000,
    }
    # What the address says about the connection wins.
    arguments = {name: value for name, value in arguments.items() if name not in address.url.query}
    try:
        engine = create_engine(address.url, connect_args=arguments, use_native_hstore=False)
    except ModuleNotFoundError as error:
        raise JournalError(
            "the driver of PostgreSQL is not installed",
            where=address.shown,
            code="journal_unreachable",
            hint=INSTALL_ALL,
        ) from error
    _listen(engine, busy_s=patience.busy_s)
    return Database(
        engine, PostgresqlDialect(), address=address, patience=patience, is_shared_connection=False
    )


def _listen(engine: Engine, *, busy_s: float) -> None:
    settings = {
        # Row locks are held for one transaction; whoever waits longer than this waits for a dead writer.
        "lock_timeout": f"{round(busy_s * 1000)}ms",
        "idle_in_transaction_session_timeout": f"{_HUNG_S}s",
        "statement_timeout": f"{2 * _HUNG_S}s",
    }

    @event.listens_for(engine, "connect")
    def configure(connection: Any, _record: object) -> None:
        connection.autocommit = True
        for name, value in settings.items():
            connection.execute("SELECT set_config(%s, %s, false)", (name, value))
        # A server may be told to answer before its disk does; a journal may not.
        connection.execute(
            "SELECT set_config('synchronous_commit', 'on', false) "
            "WHERE current_setting('synchronous_commit') = 'off'"
        )
        connection.autocommit = False
