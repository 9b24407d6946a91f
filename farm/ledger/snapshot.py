"""The ledger as JSON, to be kept in the journal: what was folded need not be read again.

A snapshot of another version is read by nobody, and the journal is folded from its start instead. So whoever changes
these models, or what the fold makes of an event, gives the version another number.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from farm.ledger.job import LedgerJob
from farm.ledger.segments import SegmentStates
from jobs.errors import JournalCorrupt
from jobs.journal_events import TakeDelivered
from jobs.lifecycle import AttemptState, JobState
from jobs.reasons import Reason, ReasonKind


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class _Why(_Model):
    kind: ReasonKind
    text: str


class _Attempt(_Model):
    segment: int
    try_number: int
    state: AttemptState


class _Job(_Model):
    name: str
    studio: str
    document_json: str
    folder: str
    on_hold: bool
    overwrite: bool
    state: JobState
    reason: _Why | None
    plan_hash: str
    takes: int
    segments_per_take: int
    segments: str
    filled: tuple[int, ...] = ()
    attempts: tuple[_Attempt, ...]
    tries: int
    seconds: float
    max_gpu_seconds: float | None = None
    bundles: dict[int, str]
    delivered: tuple[TakeDelivered, ...]
    error: dict[str, Any] | None


class _Snapshot(_Model):
    schema_version: Literal["farm.ledger/v4"] = "farm.ledger/v4"
    sequence: int
    jobs: tuple[_Job, ...]


def jobs_to_json(jobs: Iterable[LedgerJob], *, sequence: int) -> str:
    """Jobs, and the sequence of the last entry that made them, as one JSON text."""
    return _Snapshot(sequence=sequence, jobs=tuple(_packed(job) for job in jobs)).model_dump_json()


def jobs_from_json(body: str) -> tuple[int, list[LedgerJob]]:
    """The inverse of `jobs_to_json`.

    Raises:
        JournalCorrupt: It is no snapshot of this version.
    """
    try:
        snapshot = _Snapshot.model_validate_json(body)
        return snapshot.sequence, [_unpacked(job) for job in snapshot.jobs]
    except ValueError as error:
        raise JournalCorrupt(
            "the snapshot is none that this version reads",
            where="the journal",
            hint="read the journal itself",
        ) from error


def _packed(job: LedgerJob) -> _Job:
    return _Job(
        name=job.name,
        studio=job.studio,
        document_json=job.document_json,
        folder=job.folder,
        on_hold=job.on_hold,
        overwrite=job.overwrite,
        state=job.state,
        reason=None if job.reason is None else _Why(kind=job.reason.kind, text=job.reason.text),
        plan_hash=job.plan_hash,
        takes=job.takes,
        segments_per_take=job.segments_per_take,
        segments=job.segments.text(),
        filled=tuple(sorted(job.filled)),
        attempts=tuple(
            _Attempt(segment=segment, try_number=number, state=state)
            for (segment, number), state in job.attempts.items()
        ),
        tries=job.tries,
        seconds=job.seconds,
        max_gpu_seconds=job.max_gpu_seconds,
        bundles=job.bundles,
        delivered=tuple(job.delivered.values()),
        error=job.error,
    )


def _states(job: _Job) -> SegmentStates:
    states = SegmentStates.from_text(job.segments)
    if len(states) != job.takes * job.segments_per_take:
        raise ValueError(f"there are {len(states)} states")
    return states


def _unpacked(job: _Job) -> LedgerJob:
    unpacked = LedgerJob(
        name=job.name,
        studio=job.studio,
        document_json=job.document_json,
        folder=job.folder,
        on_hold=job.on_hold,
        overwrite=job.overwrite,
        state=job.state,
        reason=None if job.reason is None else Reason(job.reason.kind, job.reason.text),
        plan_hash=job.plan_hash,
        takes=job.takes,
        segments_per_take=job.segments_per_take,
        segments=_states(job),
        filled=set(job.filled),
        attempts={(attempt.segment, attempt.try_number): attempt.state for attempt in job.attempts},
        tries=job.tries,
        seconds=job.seconds,
        max_gpu_seconds=job.max_gpu_seconds,
        bundles=dict(job.bundles),
        delivered={delivered.take: delivered for delivered in job.delivered},
        error=job.error,
    )
    if unpacked.state.is_terminal:
        unpacked.segments.pack()
    return unpacked
