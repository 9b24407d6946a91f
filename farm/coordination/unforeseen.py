"""What nobody foresaw, while something of one job is handled: that job ends with it, and the others go on.

The job fails through the scheduler, so that what runs of it is stopped. Where the scheduler itself raised in the middle
of an event, it is held against the journal afterwards; one that no longer fits ends this run of the farm, once the
journal says that the job failed: a later run goes on with the others, and does not meet the same again.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from farm.coordination.journal_writer import state_moved
from farm.coordination.state import CoordinatorState
from farm.crashes import caught, name_file, point_to
from farm.scheduling.messages import AttemptId, Broken, FinishStopped, MotionGone, Stopped
from farm.translation import translate
from jobs.errors import FarmError, InternalError, JournalCorrupt, JournalError
from jobs.journal_events import JobErred
from jobs.lifecycle import JobEvent, JobState
from jobs.reasons import Reason, ReasonKind
from jobs.states import step

logger = logging.getLogger(__name__)

T = TypeVar("T")

_MOST_KEPT = 200


class FarmCannotGoOn(InternalError):
    """The scheduler is no longer what the journal tells: this run of the farm ends, and a later one goes on."""


@contextmanager
def ends_alone(
    farm: CoordinatorState,
    name: str,
    *,
    attempt: AttemptId | None = None,
    undo: Callable[[], object] | None = None,
) -> Iterator[None]:
    """What raises in the block ends the job, and no other.

    Args:
        farm: The farm.
        name: The job.
        attempt: One of its attempts that is over, whether or not the scheduler was told.
        undo: Is called first where the block raised.

    Raises:
        JournalError: As the block does.
        FarmCannotGoOn: The job has failed, and this run of the farm cannot go on.
    """
    with caught() as mishap:
        yield
    if mishap.error is None:
        return
    if undo is not None:
        undo()
    give_up(farm, name, unforeseen(mishap.error, where=name), attempt=attempt)


def callback_of(
    farm: CoordinatorState,
    name: str,
    then: Callable[[T | FarmError], None],
    *,
    undo: Callable[[], object] | None = None,
) -> Callable[[T | FarmError], None]:
    """Takes in what the background did for a job, see `ends_alone`; an error that nobody foresaw names its file."""

    def take(result: T | FarmError) -> None:
        with ends_alone(farm, name, undo=undo):
            if isinstance(result, FarmError):
                keep(farm, name, result)
            then(result)

    return take


def unforeseen(error: Exception, *, where: str) -> FarmError:
    """The error of the farm for one that nobody foresaw.

    Raises:
        JournalError: It is one: the farm has to end.
        FarmCannotGoOn: Likewise.
    """
    if isinstance(error, (JournalError, FarmCannotGoOn)):
        raise error
    return translate(error, where=where, otherwise=InternalError)


def keep(farm: CoordinatorState, name: str, error: FarmError) -> None:
    """Keep the traceback that an error brought along; the same one in one file, however often it comes."""
    if not error.traceback or error.traceback_file:
        return
    digest = hashlib.sha256(error.traceback.encode(errors="backslashreplace")).hexdigest()
    if digest in farm.kept:
        point_to(error, farm.kept[digest])
        return
    path = name_file(error, cache=farm.services.cache, what=name)
    if path is not None:
        if len(farm.kept) >= _MOST_KEPT:
            farm.kept.clear()
        farm.kept[digest] = str(path)
        logger.warning("%s: %s; the traceback is in %s", name, error.message, path)


def give_up(farm: CoordinatorState, name: str, error: FarmError, *, attempt: AttemptId | None = None) -> None:
    """End a job wherever it stands; one that has ended, or is being cancelled, stays as it is.

    Args:
        farm: The farm.
        name: The job; one that the farm does not know is none of it.
        error: What ends it.
        attempt: See `ends_alone`.

    Raises:
        FarmCannotGoOn: The scheduler is no longer what the journal tells.
    """
    keep(farm, name, error)
    _leave_planning(farm, name)
    mark = farm.writer.mark()
    with caught() as mishap:
        if name in farm.scheduler.jobs:
            _fail_in_scheduler(farm, name, error, attempt=attempt)
        else:
            farm.runs.pop(name, None)
            farm.whole.pop(name, None)
            farm.places.remove(name)
            _fail_in_journal(farm, name, error)
    if mishap.error is None and (not farm.is_in_doubt or _is_sound(farm)):
        farm.is_in_doubt = False
        return
    _end_farm(farm, name, error, mark=mark)


def _leave_planning(farm: CoordinatorState, name: str) -> None:
    for planned in (farm.planning.pop(name, None), farm.restoring.pop(name, None)):
        if planned is not None:
            planned.is_cancelled = True
    farm.opening.discard(name)


def _fail_in_scheduler(
    farm: CoordinatorState, name: str, error: FarmError, *, attempt: AttemptId | None
) -> None:
    entry, run = farm.scheduler.jobs[name], farm.runs.get(name)
    had_failed = entry.state is JobState.FAILED
    farm.tell(Broken(name, error, is_internal=True))
    if attempt is not None and attempt in farm.scheduler.attempts:
        farm.tell(Stopped(attempt))
    if entry.finishing and name not in farm.finishing:
        farm.tell(FinishStopped(name))
    if had_failed:
        # What follows a failure did not follow, or not all of it.
        told = entry.failure or error
        farm.writer.note(JobErred(job=name, error=told.as_record()))
        if run is not None:
            run.open = None
            farm.tell(MotionGone(name))


def _fail_in_journal(farm: CoordinatorState, name: str, error: FarmError) -> None:
    """For a job that the scheduler does not have, or has otherwise than the journal."""
    state = farm.writer.state_of(name)
    if state is None or state.is_terminal:
        return
    if state is JobState.CANCEL_REQUESTED:
        quiet = Reason(ReasonKind.WORK, "nothing of it runs any more")
        _note_move(farm, name, state, JobEvent.QUIET, quiet)
        return
    _note_move(farm, name, state, JobEvent.FAILED, Reason.of(ReasonKind.INTERNAL, error))
    farm.writer.note(JobErred(job=name, error=error.as_record()))


def _note_move(farm: CoordinatorState, name: str, before: JobState, event: JobEvent, reason: Reason) -> None:
    after = step(before, event, reason)
    farm.writer.note(state_moved(name, before, event, after, reason))


def _is_sound(farm: CoordinatorState) -> bool:
    """Whether the scheduler agrees with itself and with the journal, to which what was noted is added."""
    try:
        ledger = farm.writer.rehearsed()
    except JournalCorrupt:
        return False
    return not farm.scheduler.violations() and all(
        ledger.jobs[name].state is entry.state and list(ledger.jobs[name].segments) == entry.states
        for name, entry in farm.scheduler.jobs.items()
    )


def _end_farm(farm: CoordinatorState, name: str, error: FarmError, *, mark: int) -> None:
    """Write down that the job failed, on top of what can have happened, and end this run of the farm."""
    for first in (mark, 0):
        farm.writer.forget_after(first)
        _fail_in_journal(farm, name, error)
        with caught() as mishap:
            farm.writer.rehearsed()
        if mishap.error is None:
            break
    farm.writer.write()
    end = FarmCannotGoOn(
        f"the scheduler failed over it: {error.message}",
        where=name,
        hint="start the farm again: it goes on with the other jobs",
    )
    if error.traceback_file:
        point_to(end, error.traceback_file)
    raise end
