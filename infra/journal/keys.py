"""The keys of the API, beside the journal in its database; of each its hash is kept, and who changed it when."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, Row, insert, select, update
from sqlalchemy import func as sql

from infra.journal.chain import check_writable
from infra.journal.database import Database
from infra.journal.tables import api_keys, head, key_changes
from jobs.access import ApiKey, KeyChange, Scope, hash_of_key, id_of_key, new_key
from jobs.errors import UnknownKey


class KeyTable:
    """Keys and their changes. Safe for several threads and processes."""

    def __init__(self, database: Database, *, clock: Callable[[], float]) -> None:
        self._database = database
        self._clock = clock

    def create(
        self, *, studio: str, label: str, scopes: Iterable[Scope], expires_at: float | None, by: str
    ) -> tuple[str, ApiKey]:
        """Make a key.

        Returns:
            The key, which nobody can find out again, and what is known of it.

        Raises:
            JournalError: It cannot be written.
        """
        text, now = new_key(), self._clock()
        key_id = id_of_key(text)
        assert key_id is not None
        key = ApiKey(
            key_id=key_id,
            studio=studio,
            label=label,
            scopes=frozenset(scopes),
            created_at=now,
            expires_at=expires_at,
        )
        check_writable([studio, label, by], at=now)

        def write(connection: Connection) -> None:
            _take_turn(connection)
            known = select(api_keys.c.key_id).where(api_keys.c.key_id == key_id)
            if connection.execute(known).scalar() is not None:
                return  # the commit before landed, and its answer was lost
            connection.execute(
                insert(api_keys).values(
                    key_id=key_id,
                    sha256=hash_of_key(text),
                    studio=studio,
                    label=label,
                    scopes=" ".join(scope.value for scope in Scope if scope in key.scopes),
                    created_at=now,
                    expires_at=expires_at,
                )
            )
            _note(connection, key_id, "created", by=by, at=now)

        self._database.write(write)
        return text, key

    def revoke(self, key_id: str, *, by: str) -> ApiKey:
        """End a key at once; one that has ended stays as it is.

        Raises:
            UnknownKey: There is none of that name.
            JournalError: It cannot be written.
        """
        now = self._clock()
        check_writable([key_id, by], at=now)

        def write(connection: Connection) -> ApiKey:
            _take_turn(connection)
            this = api_keys.c.key_id == key_id
            ended = update(api_keys).where(this, api_keys.c.revoked_at.is_(None)).values(revoked_at=now)
            if connection.execute(ended).rowcount:
                _note(connection, key_id, "revoked", by=by, at=now)
            row = connection.execute(select(api_keys).where(this)).one_or_none()
            if row is None:
                raise UnknownKey(
                    "there is no such key", where=key_id[:40], hint="farm key list shows the names"
                )
            return key_of_row(row)

        return self._database.write(write)

    def find(self, text: str) -> ApiKey | None:
        """What is known of a key as it was shown; None where there is none, of whatever state."""
        if id_of_key(text) is None:
            return None
        this = select(api_keys).where(api_keys.c.sha256 == hash_of_key(text))
        row = self._database.read(lambda connection: connection.execute(this).one_or_none())
        return None if row is None else key_of_row(row)

    def all(self) -> Sequence[ApiKey]:
        """Every key there ever was, oldest first."""
        every = select(api_keys).order_by(api_keys.c.created_at, api_keys.c.key_id)
        return [
            key_of_row(row) for row in self._database.read(lambda connection: connection.execute(every).all())
        ]

    def changes(self) -> Sequence[KeyChange]:
        """Everything that was done to keys, in order."""
        every = select(key_changes).order_by(key_changes.c.change)
        rows = self._database.read(lambda connection: connection.execute(every).all())
        return [
            KeyChange(number=row.change, at=row.at, key_id=row.key_id, what=row.what, by=row.by)
            for row in rows
        ]

    def last_change(self) -> int:
        """Number of the last change; 0 where there was none."""
        last = select(sql.max(key_changes.c.change))
        return self._database.read(lambda connection: connection.execute(last).scalar()) or 0


def _take_turn(connection: Connection) -> None:
    """Changes are numbered without gaps: whoever makes one waits for the others, as writers of the journal do."""
    connection.execute(select(head.c.id).with_for_update()).one()


def _note(connection: Connection, key_id: str, what: str, *, by: str, at: float) -> None:
    last = connection.execute(select(sql.max(key_changes.c.change))).scalar() or 0
    connection.execute(insert(key_changes).values(change=last + 1, at=at, key_id=key_id, what=what, by=by))


def key_of_row(row: Row[Any]) -> ApiKey:
    """A key out of its row in the table."""
    return ApiKey(
        key_id=row.key_id,
        studio=row.studio,
        label=row.label,
        scopes=frozenset(Scope(scope) for scope in row.scopes.split()),
        created_at=row.created_at,
        expires_at=row.expires_at,
        revoked_at=row.revoked_at,
    )
