"""Receivers of the API's messages and their secrets, beside the journal in its database."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from sqlalchemy import Connection, Row, Select, and_, delete, insert, or_, select, update
from sqlalchemy import func as sql

from infra.journal.chain import check_writable
from infra.journal.database import Database
from infra.journal.tables import deliveries, head, webhook_secrets, webhooks
from jobs.webhooks import MessageType, Webhook, WebhookRefused, new_secret, sorted_types

MOST_WEBHOOKS: Final = 20
"""Of a studio, that have not ended."""


class WebhookTable:
    """Receivers. Safe for several threads and processes."""

    def __init__(self, database: Database, *, clock: Callable[[], float]) -> None:
        self._database = database
        self._clock = clock

    def add(self, *, studio: str, url: str, label: str, types: Iterable[MessageType]) -> tuple[str, Webhook]:
        """Add a receiver, which is told what happens from now on.

        Returns:
            Its secret, and what is known of it.

        Raises:
            WebhookRefused: The studio has as many as it may (``webhooks_full``).
            JournalError: It cannot be written.
        """
        now, webhook_id, text = self._clock(), f"wh_{secrets.token_hex(8)}", new_secret()
        check_writable([studio, url, label], at=now)

        def write(connection: Connection) -> Webhook:
            after = take_turn(connection)
            known = connection.execute(select(webhooks).where(webhooks.c.webhook_id == webhook_id))
            row = known.one_or_none()
            if row is not None:
                return webhook_of(row)  # the commit before landed, and its answer was lost
            count = select(sql.count()).where(webhooks.c.studio == studio, webhooks.c.ended_at.is_(None))
            if connection.execute(count).scalar_one() >= MOST_WEBHOOKS:
                raise WebhookRefused(
                    f"studio {studio} has {MOST_WEBHOOKS} receivers already",
                    where=url,
                    code="webhooks_full",
                    hint="remove one first",
                )
            made = Webhook(
                webhook_id=webhook_id,
                studio=studio,
                url=url,
                label=label,
                types=frozenset(types),
                after=after,
                created_at=now,
            )
            connection.execute(
                insert(webhooks).values(
                    webhook_id=webhook_id,
                    studio=studio,
                    url=url,
                    label=label,
                    types=" ".join(sorted_types(made.types)),
                    after=after,
                    created_at=now,
                    ended_why="",
                )
            )
            connection.execute(
                insert(webhook_secrets).values(webhook_id=webhook_id, number=1, secret=text, expires_at=None)
            )
            return made

        return text, self._database.write(write)

    def all(self, *, studio: str | None = None) -> Sequence[Webhook]:
        """Receivers, oldest first; of one studio, or of all."""
        every = select(webhooks).order_by(webhooks.c.created_at, webhooks.c.webhook_id)
        if studio is not None:
            every = every.where(webhooks.c.studio == studio)
        return [webhook_of(row) for row in self._rows(every)]

    def get(self, webhook_id: str, *, studio: str | None = None) -> Webhook:
        """One receiver.

        Raises:
            WebhookRefused: There is none of that name, or it is another studio's (``unknown_webhook``).
        """
        found = self._rows(select(webhooks).where(_is(webhook_id, studio)))
        if not found:
            raise _unknown_webhook(webhook_id)
        return webhook_of(found[0])

    def remove(self, webhook_id: str, *, studio: str | None = None) -> Webhook:
        """Remove a receiver, its secrets and its messages. Raises as `get`."""

        def write(connection: Connection) -> Webhook:
            take_turn(connection)
            row = connection.execute(select(webhooks).where(_is(webhook_id, studio))).one_or_none()
            if row is None:
                raise _unknown_webhook(webhook_id)
            for table in (deliveries, webhook_secrets, webhooks):
                connection.execute(delete(table).where(table.c.webhook_id == webhook_id))
            return webhook_of(row)

        return self._database.write(write)

    def rotate(self, webhook_id: str, *, overlap_s: float, studio: str | None = None) -> str:
        """Make another secret; those before it sign as well for so long. Raises as `get`."""
        now, text = self._clock(), new_secret()

        def write(connection: Connection) -> None:
            take_turn(connection)
            if connection.execute(select(webhooks).where(_is(webhook_id, studio))).one_or_none() is None:
                raise _unknown_webhook(webhook_id)
            of_it = webhook_secrets.c.webhook_id == webhook_id
            known = select(webhook_secrets).where(of_it, webhook_secrets.c.secret == text)
            if connection.execute(known).one_or_none() is not None:
                return  # the commit before landed, and its answer was lost
            connection.execute(delete(webhook_secrets).where(of_it, webhook_secrets.c.expires_at <= now))
            goes_on = or_(
                webhook_secrets.c.expires_at.is_(None), webhook_secrets.c.expires_at > now + overlap_s
            )
            connection.execute(
                update(webhook_secrets).where(of_it, goes_on).values(expires_at=now + overlap_s)
            )
            last = connection.execute(select(sql.max(webhook_secrets.c.number)).where(of_it)).scalar() or 0
            connection.execute(
                insert(webhook_secrets).values(
                    webhook_id=webhook_id, number=last + 1, secret=text, expires_at=None
                )
            )

        self._database.write(write)
        return text

    def _rows(self, query: Select[Any]) -> Sequence[Row[Any]]:
        return self._database.read(lambda connection: connection.execute(query).all())


def take_turn(connection: Connection) -> int:
    """Wait for whoever else writes, as writers of the journal do; returns where the journal ends."""
    return int(connection.execute(select(head.c.sequence).with_for_update()).scalar_one())


def _is(webhook_id: str, studio: str | None) -> Any:
    this = webhooks.c.webhook_id == webhook_id
    return this if studio is None else and_(this, webhooks.c.studio == studio)


def _unknown_webhook(webhook_id: str) -> WebhookRefused:
    return WebhookRefused(
        "there is no such receiver",
        where=webhook_id[:40],
        code="unknown_webhook",
        hint="farm webhook list shows the names",
    )


def webhook_of(row: Row[Any]) -> Webhook:
    """The receiver of a row of its table."""
    return Webhook(
        webhook_id=row.webhook_id,
        studio=row.studio,
        url=row.url,
        label=row.label,
        types=frozenset(MessageType(each) for each in row.types.split()),
        after=row.after,
        created_at=row.created_at,
        ended_at=row.ended_at,
        ended_why=row.ended_why,
    )
