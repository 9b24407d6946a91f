"""Who is logged in to the page: a session is a random text in a browser's cookie, and stands for one key."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable

from sqlalchemy import Connection, delete, insert, select

from infra.journal.database import Database
from infra.journal.keys import key_of_row
from infra.journal.tables import api_keys, page_sessions
from jobs.access import ApiKey


class PageSessionTable:
    """Sessions of the page. Safe for several threads and processes."""

    def __init__(self, database: Database, *, clock: Callable[[], float]) -> None:
        self._database = database
        self._clock = clock

    def begin(self, key_id: str, *, lasts_s: float) -> str:
        """Begin a session of a key, and forget those that are over.

        Returns:
            What the browser keeps; 256 random bits, which nobody can find out again.

        Raises:
            JournalError: It cannot be written.
        """
        text, now = secrets.token_urlsafe(32), self._clock()
        row = {
            "sha256": _hash_of(text),
            "key_id": key_id,
            "began_at": now,
            "expires_at": now + lasts_s,
        }
        known = select(page_sessions.c.key_id).where(page_sessions.c.sha256 == row["sha256"])

        def write(connection: Connection) -> None:
            connection.execute(delete(page_sessions).where(page_sessions.c.expires_at <= now))
            if connection.execute(known).scalar() is None:  # otherwise the commit before landed
                connection.execute(insert(page_sessions).values(row))

        self._database.write(write)
        return text

    def key_of(self, text: str) -> ApiKey | None:
        """The key of a session, of whatever state; None where there is no such session, or it is over.

        Raises:
            JournalError: It cannot be read.
        """
        this = (
            select(api_keys)
            .join(page_sessions, page_sessions.c.key_id == api_keys.c.key_id)
            .where(page_sessions.c.sha256 == _hash_of(text), page_sessions.c.expires_at > self._clock())
        )
        row = self._database.read(lambda connection: connection.execute(this).one_or_none())
        return None if row is None else key_of_row(row)

    def end(self, text: str) -> None:
        """End a session, if there is one.

        Raises:
            JournalError: It cannot be written.
        """
        this = delete(page_sessions).where(page_sessions.c.sha256 == _hash_of(text))
        self._database.write(lambda connection: connection.execute(this).rowcount)


def _hash_of(text: str) -> str:
    """What is kept of a session. A plain hash is enough: nobody guesses 256 bits."""
    return hashlib.sha256(text.encode()).hexdigest()
