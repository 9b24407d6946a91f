"""The outbox: messages to receivers, beside the journal in its database.

Whoever reads the journal puts messages there, once each; whoever sends claims those that are due. Both may be several
processes, and the farm itself needs none of them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, and_, insert, or_, select, tuple_, update
from sqlalchemy import func as sql

from infra.journal.chain import check_writable
from infra.journal.database import Database
from infra.journal.tables import deliveries, outbox, webhook_secrets, webhooks
from infra.journal.webhooks import take_turn, webhook_of
from jobs.webhooks import Delivery, DeliveryState, MessageType, Webhook, WebhookRefused, WebhookSecret


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What is to be told to one receiver; see `Delivery`."""

    webhook_id: str
    job: str
    sequence: int
    message: MessageType


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimed:
    """A message that its claimer alone sends for now, with what signs it."""

    delivery: Delivery
    webhook: Webhook
    secrets: tuple[WebhookSecret, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryOutcome:
    """What came of a try.

    Attributes:
        state: ``pending`` where it is to be tried again.
        next_at: When, in seconds since 1970.
        ends_webhook: Why the receiver gets nothing more; empty where it does.
    """

    state: DeliveryState
    status: int | None
    note: str
    next_at: float | None = None
    ends_webhook: str = ""


class OutboxTable:
    """Messages. Safe for several threads and processes."""

    def __init__(self, database: Database, *, clock: Callable[[], float]) -> None:
        self._database = database
        self._clock = clock

    def put_up_to(self) -> int:
        """Sequence of the entry up to which the journal's messages are in the outbox."""
        return self._database.read(_put_up_to)

    def put(self, messages: Sequence[Message], *, after: int, up_to: int) -> bool:
        """Put what the entries in (after, up_to] tell into the outbox.

        Returns:
            False, with nothing done, where somebody else put them there.

        Raises:
            JournalError: It cannot be written.
        """
        now = self._clock()

        def write(connection: Connection) -> bool:
            take_turn(connection)
            if _put_up_to(connection) != after:
                return False
            number = connection.execute(select(sql.max(deliveries.c.number))).scalar() or 0
            there = {row.webhook_id for row in connection.execute(select(webhooks.c.webhook_id))}
            # One that was removed meanwhile gets nothing.
            kept = [message for message in messages if message.webhook_id in there]
            behind = _pending_pairs(connection, {message.webhook_id for message in kept})
            rows = []
            for message in kept:
                number += 1
                pair = (message.webhook_id, message.job)
                rows.append(_new_row(message, number=number, now=now, is_first=pair not in behind))
                behind.add(pair)
            if rows:
                connection.execute(insert(deliveries), rows)
            if connection.execute(update(outbox).values(sequence=up_to)).rowcount == 0:
                connection.execute(insert(outbox).values(id=1, sequence=up_to))
            return True

        return self._database.write(write)

    def claim(self, *, busy: Mapping[str, int], most_each: int, hold_s: float) -> Sequence[Claimed]:
        """Messages that are due, for the caller to send.

        Args:
            busy: How many messages to each receiver the caller is sending already.
            most_each: How many it sends to one receiver at once.
            hold_s: Nobody else claims them for so long.

        Raises:
            JournalError: It cannot be written.
        """
        now = self._clock()
        is_due = and_(deliveries.c.next_at <= now, deliveries.c.claimed_until <= now)
        with_some = select(deliveries.c.webhook_id).where(is_due).distinct()
        due = [row.webhook_id for row in self._rows(with_some)]
        wanted = {each: most_each - busy.get(each, 0) for each in due}
        if not any(count > 0 for count in wanted.values()):
            return []

        def write(connection: Connection) -> list[Claimed]:
            take_turn(connection)
            claimed: list[Claimed] = []
            for webhook_id, count in wanted.items():
                if count > 0:
                    claimed += _claim(connection, webhook_id, count, is_due=is_due, now=now)
            numbers = [each.delivery.number for each in claimed]
            this = deliveries.c.number.in_(numbers)
            connection.execute(update(deliveries).where(this).values(claimed_until=now + hold_s))
            return claimed

        return self._database.write(write)

    def release(self, claimed: Sequence[Delivery]) -> None:
        """Let others claim what the caller will not send any more; what was settled meanwhile stays as it is.

        Raises:
            JournalError: It cannot be written; it is claimed until its time is up.
        """
        numbers = [delivery.number for delivery in claimed]

        def write(connection: Connection) -> None:
            take_turn(connection)
            this = deliveries.c.number.in_(numbers)
            connection.execute(update(deliveries).where(this).values(claimed_until=0.0))

        if numbers:
            self._database.write(write)

    def settle(self, claimed: Delivery, outcome: DeliveryOutcome) -> None:
        """Note what came of a message that was claimed; where somebody else did so, nothing changes.

        Raises:
            JournalError: It cannot be written.
        """
        now = self._clock()
        check_writable([outcome.note, outcome.ends_webhook], at=now)

        def write(connection: Connection) -> None:
            take_turn(connection)
            same = and_(
                deliveries.c.number == claimed.number,
                deliveries.c.state == DeliveryState.PENDING.value,
                deliveries.c.tries == claimed.tries,
            )
            values = {
                "state": outcome.state.value,
                "tries": claimed.tries + 1,
                "next_at": outcome.next_at if outcome.state is DeliveryState.PENDING else None,
                "claimed_until": 0.0,
                "status": outcome.status,
                "note": outcome.note,
                "changed_at": now,
            }
            if connection.execute(update(deliveries).where(same).values(values)).rowcount == 0:
                return
            if outcome.ends_webhook:
                _end(connection, claimed.webhook_id, why=outcome.ends_webhook, now=now)
            elif outcome.state is not DeliveryState.PENDING:
                _release_next(connection, claimed, now=now)

        self._database.write(write)

    def deliveries(
        self, webhook_id: str, *, limit: int, before: int | None = None, state: DeliveryState | None = None
    ) -> Sequence[Delivery]:
        """Messages to a receiver, the newest first; only those with a smaller number, or of a state."""
        some = select(deliveries).where(deliveries.c.webhook_id == webhook_id)
        if before is not None:
            some = some.where(deliveries.c.number < before)
        if state is not None:
            some = some.where(deliveries.c.state == state.value)
        rows = self._rows(some.order_by(deliveries.c.number.desc()).limit(limit))
        return [_delivery(row) for row in rows]

    def pending(self) -> int:
        """How many messages are still to be sent, to all receivers; asks for nothing of those that were."""
        some = deliveries.alias()
        # Of each receiver and job with any, one has a time, and those with a time have an index.
        behind = select(some.c.webhook_id, some.c.job).where(some.c.next_at.is_not(None))
        count = (
            select(sql.count())
            .select_from(deliveries)
            .where(
                tuple_(deliveries.c.webhook_id, deliveries.c.job).in_(behind),
                deliveries.c.state == DeliveryState.PENDING.value,
            )
        )
        return self._database.read(lambda connection: connection.execute(count).scalar_one())

    def send_again(self, webhook_id: str, number: int) -> Delivery:
        """Have a message sent once more, now, whatever became of it; one that is pending is tried now.

        Raises:
            WebhookRefused: The receiver has none of that number (``unknown_delivery``), or gets nothing any more
                (``webhook_ended``).
            JournalError: It cannot be written.
        """
        now = self._clock()

        def write(connection: Connection) -> Delivery:
            take_turn(connection)
            this = and_(deliveries.c.webhook_id == webhook_id, deliveries.c.number == number)
            row = connection.execute(select(deliveries).where(this)).one_or_none()
            if row is None:
                raise WebhookRefused(
                    "the receiver has no such delivery",
                    where=str(number),
                    code="unknown_delivery",
                    hint="list its deliveries",
                )
            ended = select(webhooks.c.ended_why).where(
                webhooks.c.webhook_id == webhook_id, webhooks.c.ended_at.is_not(None)
            )
            why = connection.execute(ended).scalar()
            if why is not None:
                raise WebhookRefused(
                    f"the receiver has ended: {why}",
                    where=webhook_id,
                    code="webhook_ended",
                    hint="add it anew",
                )
            # One that waits for another keeps its place behind it.
            waits = row.state == DeliveryState.PENDING.value and row.next_at is None
            again = {
                "state": DeliveryState.PENDING.value,
                "next_at": None if waits else now,
                "changed_at": now,
            }
            connection.execute(update(deliveries).where(this).values(again))
            return _delivery(connection.execute(select(deliveries).where(this)).one())

        return self._database.write(write)

    def _rows(self, query: Select[Any]) -> Sequence[Row[Any]]:
        return self._database.read(lambda connection: connection.execute(query).all())


def _put_up_to(connection: Connection) -> int:
    return connection.execute(select(outbox.c.sequence)).scalar() or 0


def _pending_pairs(connection: Connection, webhook_ids: Collection[str]) -> set[tuple[str, str]]:
    """Receivers and jobs with a message that is pending, among these receivers."""
    pending = (
        select(deliveries.c.webhook_id, deliveries.c.job)
        .where(
            deliveries.c.webhook_id.in_(webhook_ids),
            # Of each pair that has any, one has a time.
            deliveries.c.next_at.is_not(None),
        )
        .distinct()
    )
    return {(row.webhook_id, row.job) for row in connection.execute(pending)}


def _new_row(message: Message, *, number: int, now: float, is_first: bool) -> dict[str, Any]:
    return {
        "number": number,
        "webhook_id": message.webhook_id,
        "job": message.job,
        "sequence": message.sequence,
        "message": message.message.value,
        "state": DeliveryState.PENDING.value,
        "tries": 0,
        "next_at": now if is_first else None,
        "claimed_until": 0.0,
        "note": "",
        "changed_at": now,
    }


def _claim(
    connection: Connection, webhook_id: str, count: int, *, is_due: ColumnElement[bool], now: float
) -> list[Claimed]:
    known = connection.execute(select(webhooks).where(webhooks.c.webhook_id == webhook_id)).one_or_none()
    if known is None:
        return []
    some = (
        select(deliveries)
        .where(deliveries.c.webhook_id == webhook_id, is_due)
        .order_by(deliveries.c.next_at, deliveries.c.number)
        .limit(count)
    )
    of_it = select(webhook_secrets).where(
        webhook_secrets.c.webhook_id == webhook_id,
        or_(webhook_secrets.c.expires_at.is_(None), webhook_secrets.c.expires_at > now),
    )
    texts = tuple(
        WebhookSecret(text=row.secret, expires_at=row.expires_at)
        for row in connection.execute(of_it.order_by(webhook_secrets.c.number.desc()))
    )
    return [
        Claimed(delivery=_delivery(row), webhook=webhook_of(known), secrets=texts)
        for row in connection.execute(some).all()
    ]


def _release_next(connection: Connection, settled: Delivery, *, now: float) -> None:
    """The first message of the pair that waits is due, unless one has a time already."""
    of_pair = and_(
        deliveries.c.webhook_id == settled.webhook_id,
        deliveries.c.job == settled.job,
        deliveries.c.state == DeliveryState.PENDING.value,
    )
    if connection.execute(
        select(deliveries.c.number).where(of_pair, deliveries.c.next_at.is_not(None))
    ).first():
        return
    first = select(sql.min(deliveries.c.number)).where(of_pair).scalar_subquery()
    connection.execute(update(deliveries).where(deliveries.c.number == first).values(next_at=now))


def _end(connection: Connection, webhook_id: str, *, why: str, now: float) -> None:
    """A receiver gets nothing more; what was still to be sent is given up."""
    this = webhooks.c.webhook_id == webhook_id
    connection.execute(update(webhooks).where(this).values(ended_at=now, ended_why=why))
    left = and_(deliveries.c.webhook_id == webhook_id, deliveries.c.state == DeliveryState.PENDING.value)
    given_up = {"state": DeliveryState.GIVEN_UP.value, "next_at": None, "note": why, "changed_at": now}
    connection.execute(update(deliveries).where(left).values(given_up))


def _delivery(row: Row[Any]) -> Delivery:
    return Delivery(
        number=row.number,
        webhook_id=row.webhook_id,
        job=row.job,
        sequence=row.sequence,
        message=MessageType(row.message),
        state=DeliveryState(row.state),
        tries=row.tries,
        next_at=row.next_at,
        status=row.status,
        note=row.note,
        changed_at=row.changed_at,
    )
