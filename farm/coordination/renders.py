"""Segments on their way: carries out what the scheduler wants of the renderer pool, and tells it what came of it."""

from __future__ import annotations

import logging
from functools import partial

from farm.committed import committed_segment
from farm.coordination.desk import Lane
from farm.coordination.floor import Assignment, Floor
from farm.coordination.intake import note_account
from farm.coordination.job_run import JobRun
from farm.coordination.unforeseen import callback_of, ends_alone, keep
from farm.execution.pools.words import Finished, Gone, Refused, Task
from farm.scheduling.shared.actions import Dispatch, Kill, Recall, Recycle, Retire, Stop
from farm.scheduling.shared.events import (
    Failed,
    FailureKind,
    MotionGone,
    ReplicaLost,
    SegmentFound,
    Stopped,
    Succeeded,
)
from farm.scheduling.units import Unit
from jobs.errors import FarmError, InfrastructureError, StoreError
from jobs.errors import ReplicaLost as ReplicaLostError
from jobs.journal_events import SegmentCommitted
from jobs.lifecycle import AttemptState
from jobs.manifest import SegmentRecord

logger = logging.getLogger(__name__)

PoolAction = Dispatch | Recall | Stop | Kill | Retire | Recycle


def carry_out(floor: Floor, action: PoolAction) -> None:
    """Do what the scheduler wants of the renderer pool."""
    if isinstance(action, Dispatch):
        _dispatch(floor, action)
    elif isinstance(action, (Recall, Stop)):
        _take_back(floor, action)
    else:
        for key, _ in tuple(floor.tasks_of(action.replica)):
            del floor.tasks[key]
        if isinstance(action, Retire):
            floor.backend.retire(action.replica)
        else:
            floor.backend.kill(action.replica)
        if isinstance(action, Kill):
            floor.watcher.note("", f"{action.replica} is ended and replaced: {action.why}")


def take_result(floor: Floor, assignment: Assignment, finished: Finished) -> None:
    """A segment is committed, whether or not anybody still waits for it."""
    record = finished.result
    assert isinstance(record, SegmentRecord)
    assert assignment.attempt is not None
    run = floor.runs.get(assignment.job)
    if run is None:
        return
    segment, name = run.number(assignment.unit), (assignment.unit.take, assignment.unit.index)
    if name not in run.records:
        run.records[name] = record
        floor.scribe.note(
            SegmentCommitted(job=run.name, segment=segment, record=record, seconds=finished.seconds)
        )
        floor.watcher.worked(run, assignment.unit, seconds=finished.seconds)
        floor.watcher.committed(run, record)
    floor.tell(Succeeded(assignment.attempt, finished.seconds))


def take_refusal(floor: Floor, assignment: Assignment, refused: Refused) -> None:
    """The stage raised on a segment, or its result did not pass the check."""
    assert assignment.attempt is not None
    error = refused.error
    run = floor.runs.get(assignment.job)
    if run is not None:
        keep(floor, run.name, error)
        run.note_try(assignment.unit, replica=assignment.replica, error=error)
        if refused.is_replica_suspect:
            floor.watcher.note(
                run.name, f"{assignment.unit}: {error.message}; another replica renders it once more"
            )
    kind = FailureKind.OUTPUT
    if refused.is_final:
        kind = FailureKind.PERMANENT
    elif isinstance(error, StoreError):
        kind = FailureKind.STORAGE
    elif isinstance(error, InfrastructureError):
        kind = FailureKind.INFRASTRUCTURE
    floor.tell(Failed(assignment.attempt, kind, refused.seconds, error.message))
    if kind in {FailureKind.OUTPUT, FailureKind.PERMANENT} and assignment.job in floor.scheduler.jobs:
        note_account(floor, assignment.job)


def take_loss(floor: Floor, gone: Gone) -> None:
    """A renderer replica is gone. What it ran may have been committed all the same: the store is asked."""
    held = list(floor.tasks_of(gone.replica))
    for key, _ in held:
        del floor.tasks[key]
    ran = next((assignment for _, assignment in held if assignment.since is not None), None)
    run = floor.runs.get(ran.job) if ran is not None else None
    if ran is not None and run is not None:
        with ends_alone(floor, run.name):
            if not gone.explained:
                floor.watcher.note(run.name, f"the replica of {ran.unit} was lost and is replaced")
            lost = ReplicaLostError(gone.reason, where=str(ran.unit))
            run.note_try(ran.unit, replica=gone.replica, error=lost)
            look_in_store(floor, run, ran.unit)
    floor.tell(ReplicaLost(gone.replica, gone.explained))


def look_in_store(floor: Floor, run: JobRun, unit: Unit) -> None:
    """Ask, beside the loop, whether the store holds the segment; it is taken in then."""
    look = partial(committed_segment, run.plan, take=unit.take, index=unit.index, store=floor.house.store)
    floor.desk.ask(look, callback_of(floor, run.name, partial(_looked, floor, run, unit)), lane=Lane.STORE)


def _looked(floor: Floor, run: JobRun, unit: Unit, found: SegmentRecord | FarmError | None) -> None:
    if isinstance(found, FarmError):
        # It is rendered again; the commit will find the first copy.
        logger.warning("%s: %s", unit, found)
        return
    if found is None or floor.runs.get(run.name) is not run or (unit.take, unit.index) in run.records:
        return
    run.records[unit.take, unit.index] = found
    floor.scribe.note(SegmentCommitted(job=run.name, segment=run.number(unit), record=found))
    floor.watcher.committed(run, found)
    floor.tell(SegmentFound(run.name, run.number(unit)))


def _dispatch(floor: Floor, action: Dispatch) -> None:
    if action.attempt not in floor.scheduler.state.attempts:
        # Its replica went, or its job ended, before its turn came to be carried out.
        return
    run = floor.runs[action.job]
    unit = run.unit(action.segment)
    call = run.segment_call(unit)
    if call is None:
        _give_back(floor, run, action)
        return
    key = floor.key_of(action.attempt)
    floor.tasks[key] = Assignment(job=run.name, unit=unit, replica=action.replica, attempt=action.attempt)
    floor.backend.submit(action.replica, Task(key=key, job=run.name, unit=unit, setup=run.setup, call=call))


def _give_back(floor: Floor, run: JobRun, action: Dispatch) -> None:
    """There is no face to render: the attempt is not sent to its replica at all."""
    if floor.scheduler.state.attempts[action.attempt].state is AttemptState.STOPPING:
        # Settled since, in other ways.
        floor.tell(Stopped(action.attempt))
        return
    # No lease should come to this. It must not be leased again before there is a face, or the loop would turn for ever.
    logger.warning("%s: segment %d was leased without its face", run.name, action.segment)
    floor.tell(Failed(action.attempt, FailureKind.STORAGE, 0.0, "its face is composed again"))
    floor.tell(MotionGone(run.name, (action.segment,)))


def _take_back(floor: Floor, action: Recall | Stop) -> None:
    key = floor.key_of(action.attempt)
    if key not in floor.tasks:
        return
    if isinstance(action, Recall):
        floor.backend.recall(key)
    else:
        floor.backend.stop(key)
