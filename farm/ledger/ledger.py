"""The fold of the journal: takes one event after another, and refuses whatever cannot have happened."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from itertools import repeat
from types import MappingProxyType

from farm.ledger.job import LedgerJob
from farm.ledger.segments import SegmentStates
from farm.ledger.snapshot import jobs_from_json, jobs_to_json
from farm.ledger.transitions import Impossible, can_be_named, take_move
from jobs.errors import JournalCorrupt
from jobs.journal_events import (
    AccountNoted,
    AnyJournalEvent,
    BundleWritten,
    JobErred,
    JobPlanned,
    JobReceived,
    JobRestored,
    JobWaits,
    SegmentCommitted,
    StateMoved,
    TakeChosen,
    TakeDelivered,
    TakesSketched,
    WholeAdvanced,
    WholeFinished,
)
from jobs.kinds import RENDER_JOB
from jobs.lifecycle import JobState, SegmentState
from jobs.reasons import Reason

_RESTORED = {
    state.value: state
    for state in (
        JobState.PLANNED,
        JobState.QUEUED,
        JobState.HELD,
        JobState.PAUSED,
        JobState.CANCEL_REQUESTED,
    )
}


class Ledger:
    """Every job the farm ever took in. Not for several threads."""

    def __init__(self) -> None:
        """The ledger of an empty journal."""
        self._jobs: dict[str, LedgerJob] = {}
        self._sequence = 0

    @classmethod
    def fold(cls, events: Iterable[AnyJournalEvent], *, at: Iterable[float] | None = None) -> Ledger:
        """The ledger of all events from the journal's first on.

        Args:
            events: What happened.
            at: When each did; nobody asks for it where it is not given.

        Raises:
            JournalCorrupt: An event cannot have happened.
        """
        ledger = cls()
        for event, moment in zip(events, repeat(0.0) if at is None else at, strict=False):
            ledger.take(event, at=moment)
        return ledger

    @property
    def jobs(self) -> Mapping[str, LedgerJob]:
        """Jobs by name, in the order in which they came; to look at, not to change."""
        return MappingProxyType(self._jobs)

    @property
    def sequence(self) -> int:
        """Sequence of the last entry taken in."""
        return self._sequence

    def take(self, event: AnyJournalEvent, *, at: float = 0.0) -> None:
        """Take in the next event.

        Args:
            event: What happened.
            at: When, in seconds since 1970; 0 where nobody asks for it.

        Raises:
            JournalCorrupt: It cannot have happened; the error names the entry, and nothing has changed.
        """
        try:
            self._take(event, at)
        except Impossible as impossible:
            raise JournalCorrupt(
                f"entry {self._sequence + 1} cannot have happened: {impossible}",
                where="the journal",
                hint="a later run of the farm must not go on from here; keep the journal and report it",
            ) from impossible
        self._sequence += 1

    def to_json(self) -> str:
        """Everything it knows, as a snapshot of the journal up to `sequence`."""
        return jobs_to_json(self._jobs.values(), sequence=self._sequence)

    @classmethod
    def from_json(cls, body: str) -> Ledger:
        """The inverse of `to_json`.

        Raises:
            JournalCorrupt: It is no snapshot of this version.
        """
        ledger = cls()
        ledger._sequence, jobs = jobs_from_json(body)
        ledger._jobs = {job.name: job for job in jobs}
        return ledger

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Ledger) and self._sequence == other._sequence and self._jobs == other._jobs

    __hash__ = None  # type: ignore[assignment]  # it changes

    def _take(self, event: AnyJournalEvent, at: float) -> None:
        if isinstance(event, StateMoved):
            take_move(self._jobs, event)
            if event.subject in self._jobs:
                self._jobs[event.subject].changed_at = at
        elif isinstance(event, JobReceived):
            self._receive(event, at)
        else:
            job = self._jobs.get(event.job)
            if job is None:
                raise Impossible(f"there is no job {event.job!r}")
            _take_of_job(job, event)
            if isinstance(event, JobRestored):
                job.changed_at = at
            elif isinstance(event, TakesSketched):
                job.sketched_at = at

    def _receive(self, event: JobReceived, at: float) -> None:
        if event.job in self._jobs:
            raise Impossible(f"there is a job {event.job!r} already")
        if not can_be_named(event.job):
            raise Impossible(f"no job can be called {event.job!r}")
        self._jobs[event.job] = LedgerJob(
            name=event.job,
            studio=event.studio,
            document_json=json.dumps(event.document, ensure_ascii=False, separators=(",", ":")),
            folder=event.folder,
            kind=str(event.document.get("kind", RENDER_JOB.name)),
            on_hold=event.on_hold,
            overwrite=event.overwrite,
            received=self._sequence + 1,
            received_at=at,
            changed_at=at,
        )


JobEvents = (
    JobPlanned
    | JobRestored
    | SegmentCommitted
    | BundleWritten
    | AccountNoted
    | TakesSketched
    | TakeChosen
    | TakeDelivered
    | WholeAdvanced
    | WholeFinished
    | JobWaits
    | JobErred
)


def _take_of_job(job: LedgerJob, event: JobEvents) -> None:
    if isinstance(event, JobPlanned):
        _plan(job, event)
    elif isinstance(event, JobRestored):
        _restore(job, event)
    elif isinstance(event, SegmentCommitted):
        _check_segments(job, (event.segment,))
        job.seconds += event.seconds
        job.waits = None
    elif isinstance(event, BundleWritten):
        _check_segments(job, (event.segment,))
        job.bundles[event.segment] = event.bundle
    elif isinstance(event, AccountNoted):
        job.seconds, job.max_gpu_seconds = event.spent, event.max_gpu_seconds
    elif isinstance(event, TakeDelivered):
        if event.take not in job.rendered_takes:
            raise Impossible(f"job {job.name!r} renders no take of the number {event.take}")
        job.delivered[event.take] = event
        job.waits = None
    elif isinstance(event, TakesSketched):
        if [each.take for each in event.takes] != list(range(1, job.offered + 1)) or job.chosen is not None:
            raise Impossible(f"job {job.name!r} offers no choice between these takes")
        job.sketched, job.waits = event, None
    elif isinstance(event, TakeChosen):
        if not 1 <= event.take <= job.offered or job.chosen is not None:
            raise Impossible(f"job {job.name!r} offers no choice of take {event.take}")
        job.chosen, job.sketched = event.take, None
    elif isinstance(event, WholeAdvanced):
        job.advanced, job.waits = event, None
    elif isinstance(event, WholeFinished):
        job.made, job.told, job.waits = event.outputs, event.told, None
        # A step that was the last one heard of would read as if some of it were left.
        job.advanced = None
        job.seconds += event.seconds
    elif isinstance(event, JobWaits):
        job.waits = event
    else:
        job.error = event.error


def _plan(job: LedgerJob, event: JobPlanned) -> None:
    if event.takes < 1 or event.segments_per_take < 1:
        raise Impossible(f"job {job.name!r} is planned without a segment")
    plan = (event.plan_hash, event.takes, event.segments_per_take)
    if job.is_planned:
        if plan != (job.plan_hash, job.takes, job.segments_per_take):
            raise Impossible(f"job {job.name!r} was planned before, and otherwise")
        return
    if job.state.is_terminal:
        raise Impossible(f"job {job.name!r} is planned when it is {job.state.value}")
    job.plan_hash, job.takes, job.segments_per_take = plan
    job.offered, job.chosen = event.offered, event.chosen
    job.told = event.told
    job.segments = SegmentStates(event.takes * event.segments_per_take)


def _restore(job: LedgerJob, event: JobRestored) -> None:
    state = _RESTORED.get(event.state)
    if state is None:
        raise Impossible(f"job {job.name!r} is restored as {event.state!r}")
    if job.state.is_terminal:
        raise Impossible(f"job {job.name!r} is restored when it is {job.state.value}")
    named = (*event.committed, *event.quarantined, *event.waived)
    _check_segments(job, named)
    if len(set(named)) < len(named):
        raise Impossible(f"job {job.name!r} is restored with a segment in two states")
    segments = SegmentStates(len(job.segments))
    for number in event.committed:
        segments.change(number, SegmentState.COMMITTED)
    for number in event.quarantined:
        segments.change(number, SegmentState.QUARANTINED)
    for number in event.waived:
        segments.change(number, SegmentState.WAIVED)
    job.segments = segments
    job.filled &= set(event.waived)
    # Whatever ran belonged to a run of the farm that is over; tries count from 1 again.
    job.attempts = {}
    job.enter(state, Reason(event.reason_kind, event.reason))


def _check_segments(job: LedgerJob, numbers: Iterable[int]) -> None:
    for number in numbers:
        if not 0 <= number < len(job.segments):
            raise Impossible(f"job {job.name!r} has no segment {number}")
