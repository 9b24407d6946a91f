"""What follows when a segment is settled or given up, and when a job is rendered, ends or has to be left alone."""

from __future__ import annotations

import logging
from collections import defaultdict
from functools import partial

from farm.coordination.background import WorkKind
from farm.coordination.job_run import JobRun, Sketches
from farm.coordination.state import CoordinatorState, Finishing
from farm.coordination.unforeseen import callback_of, ends_alone, keep
from farm.coordination.upstream import close_upstream, settle_face, want_faces
from farm.coordination.whole_jobs import follow_whole
from farm.execution.pools.messages import Task
from farm.finishing import Finisher
from farm.render_report import FinishedTake
from farm.replay.bundle import Failure
from farm.replay.writing import write_bundle
from farm.scheduling.messages import (
    Delivered,
    Finish,
    FinishFailed,
    FinishStopped,
    Forget,
    Stitched,
    StopFinish,
)
from farm.scheduling.state import Moved
from jobs.errors import FarmError
from jobs.journal_events import BundleWritten, JobErred, TakeDelivered
from jobs.lifecycle import JobEvent, JobState, SegmentState

logger = logging.getLogger(__name__)

_SETTLED = {SegmentState.COMMITTED, SegmentState.WAIVED, SegmentState.QUARANTINED, SegmentState.FAILED}
# Such a job needs no more windows and faces, or none until it goes on; others need the room.
_CLOSED = {JobState.HELD, JobState.PAUSED, JobState.STITCHING}


def follow_up(farm: CoordinatorState) -> None:
    """Do what the transitions since the last call ask for."""
    while farm.moves:
        blocked: defaultdict[str, list[int]] = defaultdict(list)
        while farm.moves:
            moved = farm.moves.popleft()
            name = moved.subject.partition("/")[0]
            with ends_alone(farm, name):
                _follow_move(farm, moved, blocked=blocked[name])
        for name, segments in blocked.items():
            if segments:
                with ends_alone(farm, name):
                    want_faces(farm, farm.runs[name], segments)


def forget_ended(farm: CoordinatorState) -> None:
    """Drop jobs that have ended and of which nothing runs any more.

    Their places are free at once, unless something is still being written there.
    """
    for name, entry in tuple(farm.scheduler.jobs.items()):
        # A job in one piece writes where it wants it while it runs.
        writes = entry.finishing or name in farm.finishing or (name in farm.whole and entry.attempts)
        if entry.state.is_terminal and not writes:
            farm.places.remove(name)
        if entry.state.is_terminal and not entry.attempts and not entry.finishing:
            farm.tell(Forget(name))
            farm.runs.pop(name, None)
            farm.whole.pop(name, None)


def finish(farm: CoordinatorState, action: Finish) -> None:
    """Have the masters joined and delivered, beside the loop."""
    run = farm.runs[action.job]
    work = Finishing(run=run, waived=action.waived, patience=farm.patience())
    farm.finishing[run.name] = work
    _finish(farm, work)


def stop_finish(farm: CoordinatorState, action: StopFinish) -> None:
    """The masters that are not begun are not joined any more."""
    work = farm.finishing.get(action.job)
    if work is not None:
        work.stop.set()


def _follow_move(farm: CoordinatorState, moved: Moved, *, blocked: list[int]) -> None:
    farm.watcher.moved(moved)
    name, _, rest = moved.subject.partition("/")
    if name in farm.whole:
        _follow_whole(farm, name, moved)
        return
    run = farm.runs.get(name)
    if run is None or "#" in rest:
        return
    if isinstance(moved.after, SegmentState):
        _segment_moved(farm, run, int(rest), moved)
        if moved.after is SegmentState.BLOCKED:
            blocked.append(int(rest))
    elif isinstance(moved.after, JobState):
        _job_moved(farm, run, moved)


def _follow_whole(farm: CoordinatorState, name: str, moved: Moved) -> None:
    follow_whole(farm, farm.whole[name], moved)
    error = farm.scheduler.jobs[name].failure
    if moved.after is JobState.FAILED and error is not None:
        error.where = error.where or name
        keep(farm, name, error)
        farm.writer.note(JobErred(job=name, error=error.as_record()))


def _segment_moved(farm: CoordinatorState, run: JobRun, segment: int, moved: Moved) -> None:
    if moved.after not in _SETTLED or moved.before is moved.after:
        return
    if moved.after in {SegmentState.QUARANTINED, SegmentState.FAILED}:
        run.given_up = run.unit(segment)
    if moved.after is SegmentState.QUARANTINED:
        write_replay_bundle(farm, run, segment, reason=moved.reason.text)
    settle_face(run, segment)


def _job_moved(farm: CoordinatorState, run: JobRun, moved: Moved) -> None:
    if moved.event is JobEvent.RETRIED:
        run.error = None
    elif moved.after is JobState.FAILED:
        run.error = farm.scheduler.jobs[run.name].failure
        assert run.error is not None
        if not run.error.where and run.given_up is not None:
            run.error.where = str(run.given_up)
        keep(farm, run.name, run.error)
        farm.writer.note(JobErred(job=run.name, error=run.error.as_record()))
    elif moved.after is JobState.EXPIRED and run.error is not None:
        farm.writer.note(JobErred(job=run.name, error=run.error.as_record()))
    if isinstance(moved.after, JobState) and moved.after.is_terminal:
        run.sketches = Sketches()
    if isinstance(moved.after, JobState) and (moved.after.is_terminal or moved.after in _CLOSED):
        close_upstream(farm, run)


def _finish(farm: CoordinatorState, work: Finishing, *, after_s: float = 0.0) -> None:
    farm.background.ask(
        partial(_finish_takes, farm, work),
        callback_of(
            farm,
            work.run.name,
            partial(_finished, farm, work),
            undo=partial(farm.finishing.pop, work.run.name, None),
        ),
        kind=WorkKind.FINISH,
        after_s=after_s,
    )


def _finish_takes(farm: CoordinatorState, work: Finishing) -> list[FinishedTake]:
    run = work.run
    finisher = Finisher(
        loaded=run.loaded,
        plan=run.plan,
        cast=run.cast,
        speech=run.speech,
        store=farm.services.store,
        is_stopped=work.stop.is_set,
    )
    waived = {run.unit(segment) for segment in work.waived}
    for take in run.plan.rendered_takes:
        if work.stop.is_set():
            break
        if take in work.taken:
            continue
        filled = sorted(unit.index for unit in waived if unit.take == take)
        segments = [
            run.records[take, segment.index] for segment in run.plan.segments if segment.index not in filled
        ]
        work.taken[take] = finisher.finish(take=take, segments=segments, filled=filled)
    return list(work.taken.values())


def _note_taken(farm: CoordinatorState, work: Finishing) -> bool:
    """Write down the masters that are delivered since the last time; True where there are any."""
    fresh = [take for number, take in work.taken.items() if number not in work.noted]
    for take in fresh:
        work.noted.add(take.take)
        work.run.takes[take.take] = take
        farm.writer.note(TakeDelivered(job=work.run.name, **take.as_record()))
        farm.watcher.finished(work.run, take)
    return bool(fresh)


def _finished(farm: CoordinatorState, work: Finishing, result: list[FinishedTake] | FarmError) -> None:
    run = work.run
    if _note_taken(farm, work):
        # It did answer meanwhile.
        work.patience = farm.patience()
    wait_s = work.patience.wait_s(result) if isinstance(result, FarmError) else None
    if wait_s is not None and not work.stop.is_set():
        farm.tell_waiting(run.name, work.patience, doing="the master")
        _finish(farm, work, after_s=wait_s)
        return
    farm.finishing.pop(run.name, None)
    if run.name not in farm.runs:
        # It was cancelled, and this write was what its places were still kept for.
        farm.places.remove(run.name)
    if isinstance(result, FarmError):
        farm.tell(FinishFailed(run.name, result))
        return
    if len(result) < len(run.plan.rendered_takes):
        farm.tell(FinishStopped(run.name))
        return
    farm.tell(Stitched(run.name))
    farm.tell(Delivered(run.name))


logger = logging.getLogger(__name__)


def write_replay_bundle(farm: CoordinatorState, run: JobRun, segment: int, *, reason: str) -> None:
    """Write the bundle and say where it is. What ails the bundle does not ail the job: it is only told."""
    unit = run.unit(segment)
    call = run.segment_call(unit)
    if farm.services.bundles is None or call is None:
        return
    tries = run.tries.get(unit, [])
    folder = farm.services.bundles / run.name / f"segment-{segment:05d}"
    try:
        write_bundle(
            folder,
            task=Task(key=f"{run.name}-{segment}", job=run.name, unit=unit, setup=run.setup, call=call),
            failure=tries[-1].failure if tries else Failure.hang(reason),
            tries=tries,
            engine_version=run.plan.identities.engine_version,
            device_kind=run.plan.identities.device_kind,
        )
    except FarmError as error:
        logger.warning("no bundle of %s: %s", unit, error.line())
        farm.watcher.note(run.name, f"{unit} leaves no replay bundle: {error.message}")
        return
    farm.writer.note(BundleWritten(job=run.name, segment=segment, bundle=str(folder)))
    farm.watcher.note(run.name, f"{unit} is in quarantine; replay it with: farm replay {folder}")
