"""Batches, beside the journal in its database: the submits of all their rows are asked in one transaction."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, insert, select
from sqlalchemy import func as sql

from infra.journal.chain import check_writable
from infra.journal.database import Database
from infra.journal.tables import batch_jobs, batches, requests
from infra.journal.webhooks import take_turn
from jobs.errors import ExitCode, FarmError, TokenTaken


class UnknownBatch(FarmError):
    """No batch of the studio has that name."""

    exit_code = ExitCode.USAGE
    default_code = "unknown_batch"


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchSubmit:
    """One row's request.

    Attributes:
        title: Its job's name, to which the farm adds the request's number.
        body: JSON text, see `Journal.ask`.
    """

    title: str
    body: str


@dataclass(frozen=True, slots=True, kw_only=True)
class JobBatch:
    """Jobs that were handed in together.

    Attributes:
        created_at: Seconds since 1970.
        jobs: Their names in the farm, in the order of the rows.
    """

    batch_id: str
    studio: str
    name: str
    created_at: float
    jobs: tuple[str, ...]


class BatchTable:
    """Batches. Safe for several threads and processes."""

    def __init__(self, database: Database, *, clock: Callable[[], float]) -> None:
        self._database = database
        self._clock = clock

    def ask(self, submits: Sequence[BatchSubmit], *, studio: str, name: str, token: str) -> JobBatch:
        """Ask for every row at once, or for none. The same token with the same rows is the same batch for ever.

        Raises:
            TokenTaken: The token was used for other rows.
            JournalError: It cannot be written.
        """
        now = self._clock()
        check_writable([studio, name, token, *(each.body for each in submits)], at=now)
        batch_id = f"b_{hashlib.sha256(f'{studio}/{token}'.encode()).hexdigest()[:16]}"
        content = hashlib.sha256("\0".join([name, *(each.body for each in submits)]).encode()).hexdigest()

        def write(connection: Connection) -> None:
            take_turn(connection)
            known = select(batches.c.sha256).where(batches.c.batch_id == batch_id)
            before = connection.execute(known).scalar()
            if before is not None:
                if before != content:
                    raise TokenTaken(
                        "this token belongs to another batch",
                        where=token,
                        hint="leave the token out, or choose another",
                    )
                return
            last = connection.execute(select(sql.max(requests.c.request))).scalar() or 0
            numbered = list(enumerate(submits, start=1))
            connection.execute(
                insert(requests),
                [
                    {"request": last + row, "token": f"batch/{batch_id}/{row}", "body": each.body}
                    for row, each in numbered
                ],
            )
            connection.execute(
                insert(batch_jobs),
                [
                    {
                        "batch_id": batch_id,
                        "row": row,
                        "request": last + row,
                        "job": f"{each.title}-{last + row}",
                    }
                    for row, each in numbered
                ],
            )
            connection.execute(
                insert(batches).values(
                    batch_id=batch_id, studio=studio, name=name, created_at=now, sha256=content
                )
            )

        self._database.write(write)
        return self.get(batch_id)

    def get(self, batch_id: str, *, studio: str | None = None) -> JobBatch:
        """One batch.

        Raises:
            UnknownBatch: There is none of that name, or it is another studio's.
        """
        this = select(batches).where(batches.c.batch_id == batch_id)
        if studio is not None:
            this = this.where(batches.c.studio == studio)
        of_it = select(batch_jobs).where(batch_jobs.c.batch_id == batch_id).order_by(batch_jobs.c.row)
        row = self._database.read(lambda connection: connection.execute(this).one_or_none())
        if row is None:
            raise UnknownBatch(
                "there is no such batch", where=batch_id[:40], hint="farm batch list shows the names"
            )
        jobs = self._database.read(lambda connection: connection.execute(of_it).all())
        return _batch(row, jobs)

    def all(self, *, studio: str | None = None) -> Sequence[JobBatch]:
        """Batches, the newest first, without their jobs; of one studio, or of all."""
        every = select(batches).order_by(batches.c.created_at.desc(), batches.c.batch_id)
        if studio is not None:
            every = every.where(batches.c.studio == studio)
        rows = self._database.read(lambda connection: connection.execute(every).all())
        return [_batch(row, ()) for row in rows]


def _batch(row: Row[Any], jobs: Sequence[Row[Any]]) -> JobBatch:
    return JobBatch(
        batch_id=row.batch_id,
        studio=row.studio,
        name=row.name,
        created_at=row.created_at,
        jobs=tuple(each.job for each in jobs),
    )
