"""The journal on a database: every write locks the head, so that no two writers ever interleave."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, Row, Select, delete, insert, select, update
from sqlalchemy import func as sql

from infra.journal.base import Asked, Entry, Heartbeat, Snapshot
from infra.journal.batches import BatchTable
from infra.journal.chain import Link, check_writable, linked
from infra.journal.checking import check_links
from infra.journal.database import Database
from infra.journal.keys import KeyTable
from infra.journal.outbox import OutboxTable
from infra.journal.page_sessions import PageSessionTable
from infra.journal.tables import entries, epochs, head, heartbeats, requests, snapshots
from infra.journal.webhooks import WebhookTable
from jobs.errors import JournalFenced, TokenTaken

_PAGE: Final = 500
"""Entries that are read at once; readers that hold a database for long keep its log from being cut."""

_SNAPSHOTS_KEPT: Final = 2
_HEAD: Final = head.c.sequence, head.c.epoch, head.c.chain


@dataclass(frozen=True, slots=True)
class Head:
    """Where the journal ends, and who writes it."""

    sequence: int
    epoch: int
    chain: bytes


class SqlJournal:
    """See `Journal`. Safe for several threads and processes; `open_journal` makes one."""

    def __init__(self, database: Database, *, clock: Callable[[], float] = time.time) -> None:
        self._database = database
        self._clock = clock

    @property
    def address(self) -> str:
        """Where it is, without a password."""
        return self._database.shown

    @property
    def keys(self) -> KeyTable:
        """The keys of the API, see `Journal`."""
        return KeyTable(self._database, clock=self._clock)

    @property
    def page_sessions(self) -> PageSessionTable:
        """Who is logged in to the page, see `Journal`."""
        return PageSessionTable(self._database, clock=self._clock)

    @property
    def webhooks(self) -> WebhookTable:
        """Receivers of the API's messages, see `Journal`."""
        return WebhookTable(self._database, clock=self._clock)

    @property
    def outbox(self) -> OutboxTable:
        """Their messages, see `Journal`."""
        return OutboxTable(self._database, clock=self._clock)

    @property
    def batches(self) -> BatchTable:
        """Jobs that were handed in together, see `Journal`."""
        return BatchTable(self._database, clock=self._clock)

    def begin_epoch(self, owner: str) -> int:
        """Become the writer, see `Journal`. After a lost answer it may begin two; the first is nobody's."""
        now = self._clock()
        check_writable([owner], at=now)

        def begin(connection: Connection) -> int:
            epoch = _locked_head(connection).epoch + 1
            connection.execute(insert(epochs).values(epoch=epoch, owner=owner, began_at=now))
            connection.execute(update(head).values(epoch=epoch))
            return epoch

        return self._database.write(begin)

    def append(
        self,
        epoch: int,
        bodies: Sequence[str],
        *,
        answers: Sequence[tuple[int, str]] = (),
        at: float | None = None,
    ) -> int:
        """Write events and answers, see `Journal`. Never twice, also where the answer to a commit is lost."""
        now = self._clock() if at is None else at
        check_writable([*bodies, *(answer for _, answer in answers)], at=now)
        tried: Link | None = None

        def write(connection: Connection) -> int:
            nonlocal tried
            end = _locked_head(connection)
            # The lock is ours, so whatever an earlier try came to is decided.
            if tried is not None and _has(connection, tried):
                return tried.entry.sequence
            self._refuse_old(epoch, end)
            links = list(linked(bodies, sequence=end.sequence, chain=end.chain, epoch=epoch, at=now))
            if links:
                connection.execute(insert(entries), [_row(link) for link in links])
                tried = links[-1]
                connection.execute(update(head).values(sequence=tried.entry.sequence, chain=tried.chain))
            for request, answer in answers:
                _answer(connection, request, answer)
            return end.sequence + len(links)

        return self._database.write(write)

    def read(self, *, after: int = 0) -> Iterator[Entry]:
        """Entries with a greater sequence, in order; also those that come while it reads."""
        return (link.entry for link in self._links(after=after))

    def check(self) -> int:
        """Prove that the journal is whole, see `Journal`."""
        end, last_epoch = self._database.read(_end)
        check_links(
            self._links(after=0, until=end.sequence),
            sequence=end.sequence,
            chain=end.chain,
            epoch=end.epoch,
            last_epoch=last_epoch,
            damage=self._database.damage,
            where=self.address,
        )
        return end.sequence

    def keep_snapshot(self, epoch: int, snapshot: Snapshot) -> None:
        """Keep a snapshot and the one before it, see `Journal`."""
        check_writable([snapshot.body], at=0.0)

        def keep(connection: Connection) -> None:
            end = _locked_head(connection)
            self._refuse_old(epoch, end)
            if not 0 <= snapshot.sequence <= end.sequence:
                raise ValueError(f"the journal ends at {end.sequence}, before the snapshot")
            older = (
                select(snapshots.c.sequence)
                .where(snapshots.c.sequence != snapshot.sequence)
                .order_by(snapshots.c.sequence.desc())
                .offset(_SNAPSHOTS_KEPT - 1)
            )
            gone = connection.execute(older).scalars().all()
            connection.execute(delete(snapshots).where(snapshots.c.sequence.in_([*gone, snapshot.sequence])))
            connection.execute(
                insert(snapshots).values(
                    sequence=snapshot.sequence, body=snapshot.body, sha256=_sha256(snapshot.body)
                )
            )

        self._database.write(keep)
        self._database.tidy()

    def latest_snapshot(self) -> Snapshot | None:
        """The newest one whose hash fits it; None where there is none."""
        newest = select(snapshots).order_by(snapshots.c.sequence.desc())
        for row in self._rows(newest):
            if _sha256(row.body) == row.sha256:
                return Snapshot(sequence=row.sequence, body=row.body)
        return None

    def beat(self, epoch: int, body: str | None = None) -> None:
        """Say that the writer is there, see `Journal`."""
        now = self._clock()
        check_writable([] if body is None else [body], at=now)

        def write(connection: Connection) -> None:
            self._refuse_old(epoch, _locked_head(connection))
            told: dict[str, Any] = {"epoch": epoch, "at": now} | ({} if body is None else {"body": body})
            if connection.execute(update(heartbeats).values(told)).rowcount == 0:
                connection.execute(insert(heartbeats).values({"id": 1, "body": "{}"} | told))

        self._database.write(write)

    def heartbeat(self) -> Heartbeat | None:
        """The last one, see `Journal`."""
        for row in self._rows(select(heartbeats)):
            return Heartbeat(epoch=row.epoch, at=row.at, body=row.body)
        return None

    def epoch_began_at(self, epoch: int) -> float | None:
        """When a run of the farm began, see `Journal`."""
        for row in self._rows(select(epochs).where(epochs.c.epoch == epoch)):
            return float(row.began_at)
        return None

    def ask(self, body: str, *, token: str) -> int:
        """Put a request in the box, see `Journal`."""
        check_writable([body, token], at=0.0)

        def put(connection: Connection) -> int:
            _locked_head(connection)
            asked = connection.execute(select(requests).where(requests.c.token == token)).one_or_none()
            if asked is None:
                last = connection.execute(select(sql.max(requests.c.request))).scalar()
                request = (last or 0) + 1
                connection.execute(insert(requests).values(request=request, token=token, body=body))
                return request
            if asked.body != body:
                raise TokenTaken(
                    "this token belongs to another request",
                    where=token,
                    hint="leave the token out, or choose another",
                )
            return int(asked.request)

        return self._database.write(put)

    def asked(self) -> Sequence[Asked]:
        """Requests without an answer, oldest first."""
        waiting = (
            select(requests.c.request, requests.c.body)
            .where(requests.c.answer.is_(None))
            .order_by(requests.c.request)
        )
        return tuple(Asked(request=row.request, body=row.body) for row in self._rows(waiting))

    def unanswered(self) -> int:
        """How many requests have no answer, without reading them."""
        count = select(sql.count()).select_from(requests).where(requests.c.answer.is_(None))
        return self._database.read(lambda connection: connection.execute(count).scalar_one())

    def request(self, request: int) -> str | None:
        """What was asked, see `Journal`."""
        body = select(requests.c.body).where(requests.c.request == request)
        return self._database.read(lambda connection: connection.execute(body).scalar())

    def answer_to(self, request: int) -> str | None:
        """The answer, once there is one."""
        answer = select(requests.c.answer).where(requests.c.request == request)
        return self._database.read(lambda connection: connection.execute(answer).scalar())

    def close(self) -> None:
        """Let go of the database; may be called twice."""
        self._database.close()

    def _links(self, *, after: int, until: int | None = None) -> Iterator[Link]:
        while until is None or after < until:
            page = select(entries).where(entries.c.sequence > after)
            if until is not None:
                page = page.where(entries.c.sequence <= until)
            rows = self._rows(page.order_by(entries.c.sequence).limit(_PAGE))
            for row in rows:
                entry = Entry(sequence=row.sequence, epoch=row.epoch, at=row.at, body=row.body)
                yield Link(entry, row.chain)
            if len(rows) < _PAGE:
                return
            after = rows[-1].sequence

    def _rows(self, query: Select[Any]) -> Sequence[Row[Any]]:
        return self._database.read(lambda connection: connection.execute(query).all())

    def _refuse_old(self, epoch: int, end: Head) -> None:
        if epoch != end.epoch:
            newer = "another run of the farm took over" if epoch < end.epoch else "it was never begun here"
            raise JournalFenced(
                f"epoch {epoch} may not write, the journal is at {end.epoch}: {newer}",
                where=self.address,
                hint="stop this run of the farm, or start it again to take over",
            )


def _locked_head(connection: Connection) -> Head:
    return _head(connection.execute(select(*_HEAD).with_for_update()).one())


def _end(connection: Connection) -> tuple[Head, int]:
    # One statement: between two, PostgreSQL lets another begin an epoch.
    last_epoch = select(sql.max(epochs.c.epoch)).scalar_subquery()
    *end, last = connection.execute(select(*_HEAD, last_epoch)).one()
    return _head(end), last or 0


def _head(row: Sequence[Any]) -> Head:
    sequence, epoch, chain = row
    # Damage can change what kind of value a database finds.
    if not (isinstance(sequence, int) and isinstance(epoch, int) and isinstance(chain, bytes)):
        raise TypeError("the head of the journal")
    return Head(sequence, epoch, chain)


def _has(connection: Connection, link: Link) -> bool:
    there = select(entries.c.chain).where(entries.c.sequence == link.entry.sequence)
    return connection.execute(there).scalar() == link.chain


def _row(link: Link) -> dict[str, object]:
    entry = link.entry
    return {
        "sequence": entry.sequence,
        "epoch": entry.epoch,
        "at": entry.at,
        "body": entry.body,
        "chain": link.chain,
    }


def _answer(connection: Connection, request: int, answer: str) -> None:
    open_request = update(requests).where(requests.c.request == request, requests.c.answer.is_(None))
    if connection.execute(open_request.values(answer=answer)).rowcount == 0:
        known = connection.execute(select(requests.c.request).where(requests.c.request == request))
        if known.scalar() is None:
            raise ValueError(f"nobody asked request {request}")


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()
