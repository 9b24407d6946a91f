"""The ledger as JSON, to be kept in the journal: what was folded need not be read again.

A snapshot of another version is read by nobody, and the journal is folded from its start instead. So whoever changes
`LedgerJob`, or what the fold makes of an event, gives the version another number.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar, Final, Literal

from pydantic import ConfigDict, TypeAdapter

from farm.ledger.job import LedgerJob
from jobs.errors import JournalCorrupt

_Version = Literal["farm.ledger/v9"]
_VERSION: Final[_Version] = "farm.ledger/v9"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Snapshot:
    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    schema_version: _Version
    sequence: int
    jobs: tuple[LedgerJob, ...]


_SNAPSHOT: Final = TypeAdapter(_Snapshot)


def jobs_to_json(jobs: Iterable[LedgerJob], *, sequence: int) -> str:
    """Jobs, and the sequence of the last entry that made them, as one JSON text."""
    snapshot = _Snapshot(schema_version=_VERSION, sequence=sequence, jobs=tuple(jobs))
    return _SNAPSHOT.dump_json(snapshot).decode("utf-8")


def jobs_from_json(body: str) -> tuple[int, list[LedgerJob]]:
    """The inverse of `jobs_to_json`.

    Raises:
        JournalCorrupt: It is no snapshot of this version.
    """
    try:
        snapshot = _SNAPSHOT.validate_json(body)
        for job in snapshot.jobs:
            _check(job)
    except ValueError as error:
        raise JournalCorrupt(
            "the snapshot is none that this version reads",
            where="the journal",
            hint="read the journal itself",
        ) from error
    for job in snapshot.jobs:
        if job.state.is_terminal:
            job.segments.pack()
    return snapshot.sequence, list(snapshot.jobs)


def _check(job: LedgerJob) -> None:
    if len(job.segments) != job.takes * job.segments_per_take:
        raise ValueError(f"{job.name} has {len(job.segments)} states")
