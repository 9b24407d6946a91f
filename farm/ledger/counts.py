"""How many jobs and segments of a ledger are in each state, kept up to date so that nobody has to go through them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

from farm.ledger.job import LedgerJob
from farm.ledger.ledger import Ledger
from farm.ledger.sentences import job_of
from farm.ledger.transitions import parse_subject
from jobs.journal_events import AnyJournalEvent, JobPlanned, JobReceived, JobRestored, StateMoved
from jobs.lifecycle import JobState, SegmentState

_STATES: Final[Mapping[str, SegmentState]] = {state.value: state for state in SegmentState}


@dataclass(slots=True)
class LedgerCounts:
    """Counts of one ledger.

    Attributes:
        unfinished: Segments in each state, of jobs that have not ended.
        commits: Segments that were committed since these counts began; it never falls.
    """

    unfinished: Counter[SegmentState] = field(default_factory=Counter)
    commits: int = 0
    _jobs: dict[str, Counter[JobState]] = field(default_factory=dict)

    @classmethod
    def of(cls, ledger: Ledger) -> LedgerCounts:
        """The counts of what a ledger knows already; goes through all of it."""
        counts = cls()
        for job in ledger.jobs.values():
            counts._change(None, _CountedJob.of(job))
        return counts

    def of_studio(self, studio: str) -> Mapping[JobState, int]:
        """How many of the studio's jobs are in each state."""
        return self._jobs.get(studio, Counter())

    def jobs(self) -> Mapping[JobState, int]:
        """How many jobs of all studios are in each state."""
        return sum(self._jobs.values(), Counter[JobState]())

    @contextmanager
    def counting(self, ledger: Ledger, event: AnyJournalEvent) -> Iterator[None]:
        """Count what an event changes while the ledger takes it in; nothing where that refuses it."""
        subject = parse_subject(event.subject) if isinstance(event, StateMoved) else None
        if subject is not None and subject.segment is not None:
            yield
            if subject.try_number is None and isinstance(event, StateMoved):
                # Not by counting again: a job has thousands of segments, and each moves several times.
                before, after = _STATES[event.before], _STATES[event.after]
                self._move(ledger.jobs[subject.job], before, after)
        elif isinstance(event, (JobReceived, JobPlanned, JobRestored, StateMoved)):
            known = ledger.jobs.get(job_of(event))
            counted = None if known is None else _CountedJob.of(known)
            yield
            self._change(counted, _CountedJob.of(ledger.jobs[job_of(event)]))
        else:
            yield

    def _move(self, job: LedgerJob, before: SegmentState, after: SegmentState) -> None:
        self.commits += after is SegmentState.COMMITTED and before is not after
        if not job.state.is_terminal:
            self.unfinished[before] -= 1
            self.unfinished[after] += 1

    def _change(self, before: _CountedJob | None, after: _CountedJob) -> None:
        jobs = self._jobs.setdefault(after.studio, Counter())
        if before is not None:
            jobs[before.state] -= 1
            self.unfinished.subtract(before.segments)
        jobs[after.state] += 1
        self.unfinished.update(after.segments)


@dataclass(frozen=True, slots=True)
class _CountedJob:
    """A job as it was counted: of one that has ended, without its segments."""

    studio: str
    state: JobState
    segments: Mapping[SegmentState, int]

    @classmethod
    def of(cls, job: LedgerJob) -> _CountedJob:
        return cls(job.studio, job.state, {} if job.state.is_terminal else job.counts())
