"""Windows and faces of all jobs: wants those of a job in its turn, hands out what is next, takes in what comes back."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import partial

from farm.config import SLOTS_PER_REPLICA
from farm.coordination.background import WorkKind
from farm.coordination.job_run import JobRun, UpstreamWork
from farm.coordination.state import Assignment, CoordinatorState
from farm.coordination.unforeseen import callback_of, ends_alone, keep
from farm.coordination.upstream_order import UpstreamOrder
from farm.crashes import point_to
from farm.execution.pools.messages import Finished, Refused, Task
from farm.preparation import read_job_speech
from farm.scheduling.job import JobEntry, spread
from farm.scheduling.messages import Broken, MotionGone, SegmentsReady
from farm.scheduling.unit_failures import FailureBudget, FailureLedger, GiveUp, Owner, UnitFailed, UnitLost
from farm.scheduling.units import Stage, Unit
from jobs.errors import FarmError, InfrastructureError, ReplicaLost
from jobs.lifecycle import JobState, SegmentState
from jobs.priority import Tier
from stages.payloads import Motion, PosedFace
from stages.speech.decode import Speech

logger = logging.getLogger(__name__)

_UNRENDERED = (SegmentState.BLOCKED, SegmentState.READY, SegmentState.LEASED, SegmentState.SUSPECT)


def open_upstream(farm: CoordinatorState) -> None:
    """Begin to read the speech of jobs whose turn is near.

    Of each studio and tier only so many are open at a time as there are slots for segments, and never fewer than two:
    what the others need in memory is a few kilobytes each.
    """
    limit = max(2, farm.pools.render * farm.rules.pool.slots)
    taken = Counter(
        _group(farm.scheduler.jobs[name])
        for name, run in farm.runs.items()
        if name in farm.scheduler.jobs and (run.open is not None or name in farm.opening)
    )
    wanting = [entry for entry in farm.scheduler.jobs.values() if _wants_upstream(farm, entry)]
    for entry in sorted(wanting, key=lambda entry: farm.scheduler.turn(entry.name)):
        group = _group(entry)
        if taken[group] < limit:
            taken[group] += 1
            with ends_alone(farm, entry.name):
                _read_speech(farm, farm.runs[entry.name])


def begin_upstream(farm: CoordinatorState, run: JobRun, speech: Speech) -> None:
    """The job's windows and faces may be handed out from now on, unless it came to rest meanwhile."""
    entry = farm.scheduler.jobs.get(run.name)
    if entry is None or not (entry.is_dispatching or entry.state is JobState.PAUSE_REQUESTED):
        return
    slots = {stage: size * SLOTS_PER_REPLICA for stage, size in farm.pools.by_stage().items()}
    order = UpstreamOrder(
        windows_ahead=slots[Stage.MOTION] + 4,
        faces_ahead=slots[Stage.FACE] + farm.pools.render * farm.rules.pool.slots,
    )
    run.open = UpstreamWork(speech=speech, order=order, failures=FailureLedger(FailureBudget()))
    todo = {number for number, state in enumerate(entry.states) if state in _UNRENDERED}
    previews = todo.intersection(spread(entry.request.preview_first, entry.request.segment_count))
    order.add(run.needs(previews))
    order.add(run.needs(todo - previews))


def hand_out(farm: CoordinatorState) -> None:
    """Give every helper with room what comes next, faces first so that memory drains."""
    for stage in (Stage.FACE, Stage.MOTION):
        while (replica := _with_room(farm.helpers[stage])) is not None:
            found = _next_unit(farm, stage)
            if found is None:
                break
            run, unit = found
            with ends_alone(farm, run.name):
                _assign(farm, run, unit, replica=replica)


def take_result(farm: CoordinatorState, assignment: Assignment, finished: Finished) -> None:
    """A window or a face is there."""
    run, unit = farm.runs.get(assignment.job), assignment.unit
    if run is None or run.open is None or unit not in run.open.order.out:
        return
    farm.watcher.worked(run, unit, seconds=finished.seconds)
    if isinstance(finished.result, Motion):
        run.open.motions[unit] = finished.result
        run.open.forget(run.open.order.done(unit))
        return
    assert isinstance(finished.result, PosedFace)
    run.open.forget(run.open.order.done(unit))
    if run.open.order.holds(unit):
        run.open.faces[unit] = finished.result
        farm.tell(SegmentsReady(run.name, (run.number(unit),)))


def take_refusal(farm: CoordinatorState, assignment: Assignment, refused: Refused) -> None:
    """The stage raised on a window or a face."""
    keep(farm, assignment.job, refused.error)
    if isinstance(refused.error, InfrastructureError):
        # The machine failed, not the unit; its next unit would fare no better.
        file = refused.error.traceback_file
        take_loss(farm, assignment, was_running=True, reason=refused.error.message, file=file)
        if not refused.is_replica_suspect:
            _end_helper(farm, assignment.unit.stage, assignment.replica, reason=refused.error.message)
        return
    run = farm.runs.get(assignment.job)
    if run is not None:
        run.errors[assignment.unit] = refused.error
        _charge(farm, run, UnitFailed(assignment.unit, is_final=refused.is_final))


def take_loss(
    farm: CoordinatorState, assignment: Assignment, *, was_running: bool, reason: str, file: str = ""
) -> None:
    """The helper that held a window or a face is gone; nobody is to blame where it was not running.

    Args:
        farm: The farm.
        assignment: What it held.
        was_running: It had begun it.
        reason: One line for people.
        file: Where a traceback of it is kept; empty where there is none.
    """
    run = farm.runs.get(assignment.job)
    if run is not None:
        with ends_alone(farm, run.name):
            lost = ReplicaLost(reason, where=str(assignment.unit))
            point_to(lost, file)
            run.errors[assignment.unit] = lost
            _charge(farm, run, UnitLost(assignment.unit, was_running=was_running))


def end_hung_helpers(farm: CoordinatorState, *, now: float) -> None:
    """End the replica of a window or face that takes too long; what it held is handed out again."""
    limit = farm.rules.pool.run_timeout
    for hung in [
        each
        for each in farm.tasks.values()
        if each.attempt is None and each.since is not None and now - each.since > limit
    ]:
        reason = f"it ran for more than {limit:g} s"
        _end_helper(farm, hung.unit.stage, hung.replica, reason=reason, is_hung=True)


def settle_face(run: JobRun, segment: int) -> None:
    """Nothing will ask for the segment's face again."""
    if run.open is not None:
        face = run.unit(segment, Stage.FACE)
        run.open.forget(run.open.order.settle(face))
        run.open.faces.pop(face, None)


def want_faces(farm: CoordinatorState, run: JobRun, segments: Iterable[int]) -> None:
    """Segments are blocked: those whose faces are held are ready at once, the others once these are composed."""
    entry = farm.scheduler.jobs.get(run.name)
    if run.open is None or entry is None:
        return
    faces = {
        number: run.unit(number, Stage.FACE)
        for number in segments
        if entry.states[number] is SegmentState.BLOCKED
    }
    ready = tuple(number for number, face in faces.items() if face in run.open.faces)
    missing = [number for number, face in faces.items() if not run.open.order.expects(face)]
    # Together, so that a window which several of them need is predicted once.
    run.open.order.add(run.needs(missing))
    if ready:
        farm.tell(SegmentsReady(run.name, ready))


def close_upstream(farm: CoordinatorState, run: JobRun) -> None:
    """Let go of the job's speech, motion and faces; they are made again when it goes on."""
    if run.open is not None:
        run.open = None
        farm.tell(MotionGone(run.name))


def _end_helper(
    farm: CoordinatorState, stage: Stage, replica: str, *, reason: str, is_hung: bool = False
) -> None:
    """End a helper; another takes its place, and what it held is handed out again."""
    for key, assignment in tuple(farm.tasks_of(replica)):
        del farm.tasks[key]
        was_running = is_hung and assignment.since is not None
        take_loss(farm, assignment, was_running=was_running, reason=reason)
    if farm.helpers[stage].pop(replica, None) is not None:
        farm.backend.kill(replica)


def _wants_upstream(farm: CoordinatorState, entry: JobEntry) -> bool:
    run = farm.runs.get(entry.name)
    if run is None or run.open is not None or run.name in farm.opening or not entry.is_dispatching:
        return False
    return any(entry.counts[state] for state in _UNRENDERED)


def _group(entry: JobEntry) -> tuple[Tier, str]:
    return entry.request.tier, entry.request.studio


def _read_speech(farm: CoordinatorState, run: JobRun) -> None:
    if len(run.speech.samples_S):
        speech, run.speech = run.speech, replace(run.speech, samples_S=run.speech.samples_S[:0])
        begin_upstream(farm, run, speech)
        return
    farm.opening.add(run.name)
    then = callback_of(farm, run.name, partial(_speech_read, farm, run))
    farm.background.ask(partial(read_job_speech, run.cast), then, kind=WorkKind.SPEECH)


def _speech_read(farm: CoordinatorState, run: JobRun, result: Speech | FarmError) -> None:
    farm.opening.discard(run.name)
    if isinstance(result, Speech):
        begin_upstream(farm, run, result)
    elif farm.runs.get(run.name) is run:
        run.error = result
        farm.tell(Broken(run.name, f"its speech cannot be read any more: {result.message}"))


def _next_unit(farm: CoordinatorState, stage: Stage) -> tuple[JobRun, Unit] | None:
    for run in _in_turn(farm):
        assert run.open is not None
        unit = None
        with ends_alone(farm, run.name):
            unit = run.open.order.next(stage)
        if unit is not None:
            return run, unit
    return None


def _in_turn(farm: CoordinatorState) -> Iterator[JobRun]:
    jobs = farm.scheduler.jobs
    open_jobs = [
        jobs[name]
        for name, run in farm.runs.items()
        if run.open is not None and name in jobs and jobs[name].is_dispatching
    ]
    for entry in sorted(open_jobs, key=lambda entry: farm.scheduler.turn(entry.name)):
        yield farm.runs[entry.name]


def _with_room(pool: dict[str, list[str]]) -> str | None:
    name = min(pool, key=lambda replica: len(pool[replica]), default=None)
    return name if name is not None and len(pool[name]) < SLOTS_PER_REPLICA else None


def _assign(farm: CoordinatorState, run: JobRun, unit: Unit, *, replica: str) -> None:
    assert run.open is not None
    run.open.order.take(unit)
    call = run.window_call(unit) if unit.stage is Stage.MOTION else run.face_call(unit)
    farm.counted += 1
    key = f"{farm.writer.epoch}-{unit.stage.value}-{farm.counted}"
    farm.tasks[key] = Assignment(job=run.name, unit=unit, replica=replica)
    farm.helpers[unit.stage][replica].append(key)
    farm.backend.submit(replica, Task(key=key, job=run.name, unit=unit, setup=run.setup, call=call))


def _charge(farm: CoordinatorState, run: JobRun, event: UnitFailed | UnitLost) -> None:
    """Forgive it and have it done again, or let the job fail."""
    if run.open is None or event.unit not in run.open.order.out:
        return
    run.open.order.put_back(event.unit)
    verdict = run.open.failures.charge(event)
    if verdict is not None:
        run.error = _verdict(run, verdict)
        farm.tell(Broken(run.name, f"{event.unit}: {run.error.message}"))


def _verdict(run: JobRun, end: GiveUp) -> FarmError:
    last = run.errors[end.unit]
    error = run.verdict(end.unit, end.reason)
    if end.owner is Owner.INFRASTRUCTURE:
        error = ReplicaLost(
            f"{end.reason}; last: {last.message}",
            where=str(end.unit),
            hint="run the job again: committed segments are not rendered twice",
        )
    point_to(error, last.traceback_file)
    return error
