"""Segments on their way: carries out what the scheduler wants of the renderer pool, and tells it what came of it."""

from __future__ import annotations

import logging
from functools import partial

from farm.coordination.background import WorkKind
from farm.coordination.job_run import JobRun
from farm.coordination.new_jobs import note_account
from farm.coordination.state import Assignment, CoordinatorState
from farm.coordination.unforeseen import callback_of, ends_alone, keep
from farm.coordination.whole_jobs import dispatch_whole, take_whole
from farm.execution.calls import WholeDone
from farm.execution.committed import committed_segment, find_segment
from farm.execution.pools.messages import Finished, Gone, Refused, Task
from farm.scheduling.messages import (
    AttemptFailed,
    Dispatch,
    Kill,
    MotionGone,
    Recall,
    Recycle,
    ReplicaGone,
    Retire,
    SegmentFound,
    SegmentsReady,
    Stop,
    Stopped,
    Succeeded,
)
from farm.scheduling.units import Stage, Unit
from jobs.errors import FarmError, InfrastructureError, ReplicaLost
from jobs.farm_error import Retry
from jobs.journal_events import SegmentCommitted
from jobs.lifecycle import AttemptState
from jobs.manifest import SegmentRecord

logger = logging.getLogger(__name__)

PoolAction = Dispatch | Recall | Stop | Kill | Retire | Recycle


def carry_out(farm: CoordinatorState, action: PoolAction) -> None:
    """Do what the scheduler wants of the renderer pool."""
    if isinstance(action, Dispatch):
        _dispatch(farm, action)
    elif isinstance(action, (Recall, Stop)):
        _take_back(farm, action)
    else:
        for key, _ in tuple(farm.tasks_of(action.replica)):
            del farm.tasks[key]
        if isinstance(action, Retire):
            farm.backend.retire(action.replica)
        else:
            farm.backend.kill(action.replica)
        if isinstance(action, Kill):
            farm.watcher.note("", f"{action.replica} is ended and replaced: {action.why}")


def take_result(farm: CoordinatorState, assignment: Assignment, finished: Finished) -> None:
    """A segment is committed, whether or not anybody still waits for it."""
    record = finished.result
    if isinstance(record, WholeDone):
        whole = farm.whole.get(assignment.job)
        if whole is not None:
            take_whole(farm, whole, assignment, finished, record)
        return
    assert isinstance(record, SegmentRecord)
    assert assignment.attempt is not None
    run = farm.runs.get(assignment.job)
    if run is None:
        return
    segment, name = run.number(assignment.unit), (assignment.unit.take, assignment.unit.index)
    if name not in run.records:
        run.records[name] = record
        farm.writer.note(
            SegmentCommitted(job=run.name, segment=segment, record=record, seconds=finished.seconds)
        )
        farm.watcher.worked(run, assignment.unit, seconds=finished.seconds)
        farm.watcher.committed(run, record)
    farm.tell(Succeeded(assignment.attempt, finished.seconds))


def take_refusal(farm: CoordinatorState, assignment: Assignment, refused: Refused) -> None:
    """The stage raised on a segment, or its result did not pass the check."""
    assert assignment.attempt is not None
    error = refused.error
    run = farm.runs.get(assignment.job)
    if run is not None:
        keep(farm, run.name, error)
        run.note_try(assignment.unit, replica=assignment.replica, error=error)
        if refused.is_replica_suspect:
            farm.watcher.note(
                run.name, f"{assignment.unit}: {error.message}; another replica renders it once more"
            )
    elif assignment.job in farm.whole:
        keep(farm, assignment.job, error)
    farm.tell(AttemptFailed(assignment.attempt, error, refused.seconds))
    entry = farm.scheduler.jobs.get(assignment.job)
    if entry is None:
        return
    if entry.patience.error is error:
        farm.tell_waiting(
            entry.name, entry.patience, doing="its work" if assignment.job in farm.whole else "a segment"
        )
    if error.retry is not Retry.LATER:
        note_account(farm, entry.name)


def take_loss(farm: CoordinatorState, gone: Gone) -> None:
    """A replica of what the scheduler leases is gone.

    A segment that it ran may have been committed all the same: the store is asked.
    """
    held = list(farm.tasks_of(gone.replica))
    for key, _ in held:
        del farm.tasks[key]
    ran = next((assignment for _, assignment in held if assignment.since is not None), None)
    run = farm.runs.get(ran.job) if ran is not None else None
    if ran is not None and run is not None:
        with ends_alone(farm, run.name):
            if not gone.explained:
                farm.watcher.note(run.name, f"the replica of {ran.unit} was lost and is replaced")
            lost = ReplicaLost(gone.reason, where=str(ran.unit))
            run.note_try(ran.unit, replica=gone.replica, error=lost)
            look_in_store(farm, run, ran.unit)
    elif ran is not None and not gone.explained:
        farm.watcher.note(ran.job, f"the replica of {ran.unit} was lost and is replaced")
    farm.tell(ReplicaGone(gone.replica, gone.explained))


def look_in_store(farm: CoordinatorState, run: JobRun, unit: Unit) -> None:
    """Ask, beside the loop, whether the store holds the segment; it is taken in then."""
    look = partial(committed_segment, run.plan, take=unit.take, index=unit.index, store=farm.services.store)
    farm.background.ask(
        look, callback_of(farm, run.name, partial(_looked, farm, run, unit)), kind=WorkKind.STORE
    )


def look_for_segment(farm: CoordinatorState, run: JobRun, face: Unit, *, key: str) -> None:
    """Ask, beside the loop, whether the store holds what the face would be drawn to; it is ready where it does not."""
    look = partial(
        find_segment,
        run.plan,
        take=face.take,
        index=face.index,
        key=key,
        policy=run.setup.inspection,
        store=farm.services.store,
    )
    farm.background.ask(
        look, callback_of(farm, run.name, partial(_looked_for, farm, run, face)), kind=WorkKind.STORE
    )


def _looked(farm: CoordinatorState, run: JobRun, unit: Unit, found: SegmentRecord | FarmError | None) -> None:
    if isinstance(found, FarmError):
        # It is rendered again; the commit will find the first copy.
        logger.warning("%s: %s", unit, found)
    elif found is not None:
        _take_in(farm, run, unit, found)


def _looked_for(
    farm: CoordinatorState, run: JobRun, face: Unit, found: SegmentRecord | FarmError | None
) -> None:
    if isinstance(found, SegmentRecord):
        if (face.take, face.index) not in run.records:
            run.found += 1
        _take_in(farm, run, Unit(face.take, face.index, Stage.RENDER), found)
        return
    if isinstance(found, FarmError):
        # Whoever renders and commits it meets the same, and is tried again or ends with it.
        logger.warning("%s: %s", face, found)
    # The job may have been paused meanwhile, or the segment waived.
    if farm.runs.get(run.name) is run and run.open is not None and face in run.open.faces:
        farm.tell(SegmentsReady(run.name, (run.number(face),)))


def _take_in(farm: CoordinatorState, run: JobRun, unit: Unit, found: SegmentRecord) -> None:
    """The store holds a segment that is not settled here."""
    if farm.runs.get(run.name) is not run:
        return
    name = (unit.take, unit.index)
    # One that was waived, and is wanted again, may have a record already.
    if name not in run.records:
        run.records[name] = found
        farm.writer.note(SegmentCommitted(job=run.name, segment=run.number(unit), record=found))
        farm.watcher.committed(run, found)
    farm.tell(SegmentFound(run.name, run.number(unit)))


def _dispatch(farm: CoordinatorState, action: Dispatch) -> None:
    if action.attempt not in farm.scheduler.attempts:
        # Its replica went, or its job ended, before its turn came to be carried out.
        return
    whole = farm.whole.get(action.job)
    if whole is not None:
        dispatch_whole(farm, whole, action)
        return
    run = farm.runs[action.job]
    unit = run.unit(action.segment)
    call = run.segment_call(unit)
    if call is None:
        _give_back(farm, run, action)
        return
    key = farm.key_of(action.attempt)
    farm.tasks[key] = Assignment(job=run.name, unit=unit, replica=action.replica, attempt=action.attempt)
    farm.backend.submit(action.replica, Task(key=key, job=run.name, unit=unit, setup=run.setup, call=call))


def _give_back(farm: CoordinatorState, run: JobRun, action: Dispatch) -> None:
    """There is no face to render: the attempt is not sent to its replica at all."""
    if farm.scheduler.attempts[action.attempt].state is AttemptState.STOPPING:
        # Settled since, in other ways.
        farm.tell(Stopped(action.attempt))
        return
    # No lease should come to this. It must not be leased again before there is a face, or the loop would turn for ever.
    logger.warning("%s: segment %d was leased without its face", run.name, action.segment)
    missing = InfrastructureError("its face is composed again", retry=Retry.LATER)
    farm.tell(AttemptFailed(action.attempt, missing))
    farm.tell(MotionGone(run.name, (action.segment,)))


def _take_back(farm: CoordinatorState, action: Recall | Stop) -> None:
    key = farm.key_of(action.attempt)
    if key not in farm.tasks:
        return
    if isinstance(action, Recall):
        farm.backend.recall(key)
    else:
        farm.backend.stop(key)
