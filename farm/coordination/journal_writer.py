"""Writes down what happens before anything is done about it, and keeps the fold of it at hand."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from farm.ledger import Ledger
from farm.ledger.loading import catch_up, kept_ledger
from farm.scheduling.state import Moved
from infra.journal.base import Journal, Snapshot
from jobs.errors import JournalError, JournalFenced
from jobs.farm_requests import RequestAnswer
from jobs.journal_events import AnyJournalEvent, JobReceived, JobRestored, StateMoved
from jobs.lifecycle import JobEvent, JobState, SegmentEvent, SegmentState
from jobs.reasons import Reason

logger = logging.getLogger(__name__)

# A later start of the farm reads at most so many events beside the snapshot.
_SNAPSHOT_EVERY = 20_000
_JOB_STATES = {state.value: state for state in JobState}


class JournalWriter:
    """The one writer of a journal, for one run of the farm."""

    def __init__(
        self,
        journal: Journal,
        *,
        owner: str,
        told: Callable[[AnyJournalEvent], None] | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Become the writer and read what is there.

        Where it cannot be read, whoever wrote it before goes on.

        Args:
            journal: The journal.
            owner: Who this is, for people.
            told: Is handed every event once it is durable.
            clock: Seconds since 1970.

        Raises:
            JournalError: The journal cannot be read or written, or is not whole.
        """
        self._journal = journal
        self._told, self._clock = told, clock
        self._events: list[AnyJournalEvent] = []
        self._answers: list[tuple[int, str]] = []
        # Before the epoch begins: a farm that cannot read the journal must not end one that can.
        journal.check()
        self.ledger: Ledger = kept_ledger(journal)
        # Not from where the journal ends: runs that end early would never keep one, and each would read more than the
        # one before.
        self._snapshot_at = self.ledger.sequence
        catch_up(self.ledger, journal)
        self.epoch = journal.begin_epoch(owner)
        # What the run before wrote meanwhile; it writes no more.
        catch_up(self.ledger, journal)
        self._sequence = self.ledger.sequence

    @property
    def has_unwritten(self) -> bool:
        """Something was noted and not yet written."""
        return bool(self._events or self._answers)

    def now(self) -> float:
        """Seconds since 1970, by the clock of the entries."""
        return self._clock()

    def note(self, event: AnyJournalEvent) -> None:
        """Remember an event for the next `write`."""
        self._events.append(event)

    def mark(self) -> int:
        """Where the notes end now, for `forget_after`."""
        return len(self._events)

    def forget_after(self, mark: int) -> None:
        """Forget what was noted since and not written; answers stay."""
        del self._events[mark:]

    def has_answered(self, request: int) -> bool:
        """An answer is remembered and not written yet."""
        return any(number == request for number, _ in self._answers)

    def state_of(self, job: str) -> JobState | None:
        """Where a job stands once all that was noted is written; None for one that nobody knows."""
        for event in reversed(self._events):
            if isinstance(event, StateMoved) and event.subject == job:
                return _JOB_STATES[event.after]
            if isinstance(event, JobRestored) and event.job == job:
                return _JOB_STATES[event.state]
            if isinstance(event, JobReceived) and event.job == job:
                return JobState.RECEIVED
        line = self.ledger.jobs.get(job)
        return None if line is None else line.state

    def rehearsed(self) -> Ledger:
        """The ledger as it will be once all that was noted is written; costs as much as a snapshot.

        Raises:
            JournalCorrupt: Something was noted that cannot have happened.
        """
        ledger = Ledger.from_json(self.ledger.to_json())
        for event in self._events:
            ledger.take(event)
        return ledger

    def answer(self, request: int, answer: RequestAnswer) -> None:
        """Remember an answer for the next `write`: it becomes durable together with what it led to."""
        self._answers.append((request, answer.model_dump_json()))

    def write(self) -> None:
        """Make all of it durable. After an error this run of the farm must end: its ledger knows of unwritten events.

        Raises:
            JournalFenced: Another run of the farm took over.
            JournalCorrupt: Something was noted that cannot have happened: a bug. Nothing of it is written, so that a
                later run finds a journal that it can read.
            JournalError: The journal cannot be written.
        """
        if not self.has_unwritten:
            return
        events, answers, now = self._events, self._answers, self._clock()
        for event in events:
            self.ledger.take(event, at=now)
        self._sequence = self._journal.append(
            self.epoch, [event.model_dump_json() for event in events], answers=answers, at=now
        )
        self._events, self._answers = [], []
        if self._told is not None:
            for event in events:
                self._told(event)
        if self._sequence - self._snapshot_at >= _SNAPSHOT_EVERY:
            self._snapshot_at = self._sequence
            self._keep_snapshot()

    def beat(self, told: str | None = None) -> None:
        """Say that this run is there, and what it has to tell; see that nobody else became the writer meanwhile.

        Raises:
            JournalFenced: Another run of the farm took over.
            JournalError: The journal does not answer.
        """
        self._journal.beat(self.epoch, told)

    def _keep_snapshot(self) -> None:
        """Spare later runs some reading. Where that fails, they read more, and this run tries again in its time."""
        try:
            self._journal.keep_snapshot(
                self.epoch, Snapshot(sequence=self._sequence, body=self.ledger.to_json())
            )
        except JournalFenced:
            raise
        except JournalError as error:
            logger.warning("no snapshot is kept at entry %d: %s", self._sequence, error.line())


def moved_event(moved: Moved) -> StateMoved:
    """The transition as an event; its time is that of the entry it becomes."""
    return StateMoved(
        subject=moved.subject,
        before=moved.before.value,
        event=moved.event.value,
        after=moved.after.value,
        reason_kind=moved.reason.kind,
        reason=moved.reason.text,
        code=moved.reason.code,
        retry=moved.reason.retry,
    )


def state_moved(
    subject: str,
    before: JobState | SegmentState,
    event: JobEvent | SegmentEvent,
    after: JobState | SegmentState,
    reason: Reason,
) -> StateMoved:
    """A transition that the scheduler does not know of, as an event."""
    return StateMoved(
        subject=subject,
        before=before.value,
        event=event.value,
        after=after.value,
        reason_kind=reason.kind,
        reason=reason.text,
        code=reason.code,
        retry=reason.retry,
    )
