"""A database of the journal: transactions that are tried again where that is safe, and errors in one line."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Protocol, TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from infra.journal.address import JournalAddress
from infra.journal.patience import DatabasePatience
from infra.journal.problems import Passing, journal_error, problem_of
from jobs.errors import JournalCorrupt, JournalError, Retry

logger = logging.getLogger(__name__)

Result = TypeVar("Result")


class Dialect(Protocol):
    """What databases do each in their own way."""

    def lock_for_creation(self, connection: Connection) -> None:
        """Let nobody else create tables until the transaction ends."""
        ...

    def damage(self, connection: Connection) -> str:
        """What the database's own check finds, in one line; empty where it is whole or has no such check."""
        ...

    def tidy(self, connection: Connection) -> None:
        """Give back what the database keeps only until there is time. Called outside a transaction."""
        ...


class Database:
    """Runs transactions.

    Args:
        engine: Its transactions lock at their begin where the option ``writes`` is set and the database needs that;
            with ``transaction`` False none begins.
        is_shared_connection: All threads share one connection and must take turns.
    """

    def __init__(
        self,
        engine: Engine,
        dialect: Dialect,
        *,
        address: JournalAddress,
        patience: DatabasePatience,
        is_shared_connection: bool,
    ) -> None:
        self._engine = engine
        self._dialect = dialect
        self._address = address
        self._patience = patience
        self._is_closed = False
        # Threads of one process wait here for each other, not in the database, which only polls.
        self._write_turn = threading.Lock()
        self._read_turn: AbstractContextManager[object] = (
            self._write_turn if is_shared_connection else nullcontext()
        )

    @property
    def shown(self) -> str:
        """The address, without a password."""
        return self._address.shown

    def read(self, work: Callable[[Connection], Result], *, retry: bool = True) -> Result:
        """One look at the database, as often as it takes.

        Args:
            work: Called inside a transaction.
            retry: False tries again only where others hold the database.

        Raises:
            JournalError: It fails for good.
        """
        return self._insist(lambda: self._read_once(work), retry=retry)

    def write(self, work: Callable[[Connection], Result], *, retry: bool = True) -> Result:
        """One transaction, again from the start where it failed in passing.

        Args:
            work: Called inside the transaction. A commit may have happened though its answer was lost, so from the
                second call on it must first look whether the one before landed.
            retry: False tries again only where others hold the database.

        Raises:
            JournalError: It fails for good. Nothing was written, but with code ``journal_outcome_unknown`` it may.
        """
        return self._insist(lambda: self._write_once(work), retry=retry)

    def damage(self) -> str:
        """What the database's own check finds; empty where it is whole."""
        return self.read(self._dialect.damage)

    def lock_for_creation(self, connection: Connection) -> None:
        """Let nobody else create tables until the transaction ends."""
        self._dialect.lock_for_creation(connection)

    def tidy(self) -> None:
        """Give back what the database keeps only until there is time; where that fails, the next time does it."""
        try:
            with self._write_turn, self._engine.connect() as connection:
                self._dialect.tidy(connection.execution_options(transaction=False))
        except SQLAlchemyError as error:
            logger.warning("the journal was not tidied: %s", journal_error(error, self._address).line())

    def close(self) -> None:
        """Let go of every connection."""
        self._is_closed = True
        self._engine.dispose()

    def _read_once(self, work: Callable[[Connection], Result]) -> Result:
        with self._read_turn, self._engine.connect() as connection, connection.begin():
            return work(connection)

    def _write_once(self, work: Callable[[Connection], Result]) -> Result:
        with (
            self._write_turn,
            self._engine.connect() as connection,
        ):
            connection = connection.execution_options(writes=True)
            with connection.begin() as transaction:
                result = work(connection)
                try:
                    transaction.commit()
                except SQLAlchemyError as error:
                    if problem_of(error).passing is Passing.AWAY:
                        raise _CommitLost(error) from error
                    raise
            return result

    def _insist(self, attempt: Callable[[], Result], *, retry: bool = True) -> Result:
        if self._is_closed:
            raise JournalError("is closed", where=self.shown, code="journal_closed")
        is_outcome_known = True
        for wait_s in (*self._patience.waits_s, None):
            try:
                return attempt()
            except _CommitLost as lost:
                is_outcome_known = False
                error: SQLAlchemyError = lost.error
            except SQLAlchemyError as raised:
                error = raised
            except (UnicodeDecodeError, TypeError) as wrong:
                raise _damaged(self.shown) from wrong
            passing = problem_of(error).passing
            if wait_s is None or passing is Passing.NEVER or (passing is Passing.AWAY and not retry):
                raise self._final(error, is_outcome_known=is_outcome_known) from error
            time.sleep(wait_s * random.uniform(0.5, 1.0))
        raise AssertionError("the last attempt returns or raises")

    def _final(self, error: SQLAlchemyError, *, is_outcome_known: bool) -> JournalError:
        if is_outcome_known:
            return journal_error(error, self._address)
        return JournalError(
            "the connection was lost while the transaction ended; whether it was written is not known",
            where=self.shown,
            code="journal_outcome_unknown",
            retry=Retry.LATER,
            hint="start the farm again once the server can be reached",
        )


def _damaged(where: str) -> JournalCorrupt:
    """Damage that the database does not see: what it hands over is of no kind that its columns hold."""
    return JournalCorrupt(
        "is damaged: it holds values that cannot be", where=where, hint="restore it from a backup"
    )


class _CommitLost(Exception):
    """The connection was lost during COMMIT: it may have happened or not."""

    def __init__(self, error: SQLAlchemyError) -> None:
        super().__init__(str(type(error)))
        self.error = error
