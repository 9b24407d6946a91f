"""Windows and faces of all jobs: wants those of a job in its turn, hands out what is next, takes in what comes back."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial

from farm.config import SLOTS_PER_REPLICA
from farm.coordination.background import WorkKind
from farm.coordination.job_run import JobRun, UpstreamWork
from farm.coordination.segments import look_for_segment
from farm.coordination.sketches import (
    is_sketching,
    keep_motion,
    show_takes,
    sketch_call,
    sketch_needs,
    take_piece,
)
from farm.coordination.state import Assignment, CoordinatorState, Helper
from farm.coordination.unforeseen import callback_of, ends_alone, keep
from farm.coordination.upstream_order import UpstreamOrder
from farm.execution.calls import Call, SketchRecord
from farm.execution.kept_motion import kept_windows
from farm.execution.pools.messages import Finished, Task
from farm.preparation import read_job_speech
from farm.scheduling.failure_policy import FailureVerdict, UnitRecord, is_of_machine
from farm.scheduling.job import JobEntry, spread
from farm.scheduling.liveness import hangs
from farm.scheduling.messages import Broken, MotionGone, SegmentsReady
from farm.scheduling.units import Stage, Unit
from infra.storage import ObjectStore
from jobs.errors import FarmError, ReplicaLost
from jobs.farm_error import Retry
from jobs.lifecycle import JobState, SegmentState
from jobs.plan import RenderPlan
from jobs.priority import Tier
from stages.payloads import Motion, PosedFace
from stages.speech.decode import Speech

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedSpeech:
    """What a job needs before its first window.

    Attributes:
        kept: Motion that was predicted before its take was chosen.
    """

    speech: Speech
    kept: dict[Unit, Motion] = field(default_factory=dict)


_NOUNS = {Stage.MOTION: "motion", Stage.FACE: "face"}
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
                run = farm.runs[entry.name]
                run.patience = farm.patience()
                _read_speech(farm, run)


def begin_upstream(farm: CoordinatorState, run: JobRun, opened: OpenedSpeech) -> None:
    """The job's windows and faces may be handed out from now on, unless it came to rest meanwhile."""
    entry = farm.scheduler.jobs.get(run.name)
    if entry is None or not (_is_worked_on(farm, entry) or entry.state is JobState.PAUSE_REQUESTED):
        return
    slots = {stage: size * SLOTS_PER_REPLICA for stage, size in farm.pools.by_stage().items()}
    order = UpstreamOrder(
        windows_ahead=slots[Stage.MOTION] + 4,
        faces_ahead=slots[Stage.FACE] + farm.pools.render * farm.rules.pool.slots,
    )
    run.patience.got_on()
    run.open = UpstreamWork(speech=opened.speech, order=order, kept=opened.kept)
    if is_sketching(entry, run):
        order.add(sketch_needs(run))
        return
    todo = {number for number, state in enumerate(entry.states) if state in _UNRENDERED}
    previews = todo.intersection(spread(entry.request.preview_first, entry.request.segment_count))
    order.add(run.needs(previews))
    order.add(run.needs(todo - previews))


def hand_out(farm: CoordinatorState) -> None:
    """Give every helper with room what comes next, faces first so that memory drains."""
    for run in tuple(_in_turn(farm)):
        with ends_alone(farm, run.name):
            _use_kept_motion(run)
    for stage in (Stage.FACE, Stage.MOTION):
        for helper in farm.helpers[stage].values():
            helper.is_leaving = False
        while (found := _next_unit(farm, stage)) is not None:
            run, unit, replica = found
            with ends_alone(farm, run.name):
                _assign(farm, run, unit, replica=replica)


def take_result(farm: CoordinatorState, assignment: Assignment, finished: Finished) -> None:
    """A window or a face is there."""
    run, unit = farm.runs.get(assignment.job), assignment.unit
    if run is None or run.open is None or unit not in run.open.order.out:
        return
    if isinstance(finished.result, SketchRecord) and not run.plan.awaits_choice:
        # A take was chosen while it was drawn; its segment may want the face itself by now.
        return
    farm.watcher.worked(run, unit, seconds=finished.seconds)
    run.open.records.pop(unit, None)
    run.patience.got_on()
    if isinstance(finished.result, Motion):
        run.open.motions[unit] = finished.result
        run.open.forget(run.open.order.done(unit))
        if run.plan.awaits_choice:
            keep_motion(farm, run, unit, finished.result, seconds=finished.seconds)
        return
    if isinstance(finished.result, SketchRecord):
        run.open.forget(run.open.order.done(unit))
        run.open.forget(run.open.order.settle(unit))
        if take_piece(run, unit, finished.result, seconds=finished.seconds):
            close_upstream(farm, run)
            show_takes(farm, run)
        return
    assert isinstance(finished.result, PosedFace)
    run.open.forget(run.open.order.done(unit))
    if run.open.order.holds(unit):
        held = run.hold_face(unit, finished.result)
        look_for_segment(farm, run, unit, key=held.key)


def take_failure(farm: CoordinatorState, assignment: Assignment, error: FarmError) -> None:
    """A window or a face came to nothing on a helper, or its helper is gone; see `farm.scheduling.failure_policy`."""
    keep(farm, assignment.job, error)
    run, unit, rules = farm.runs.get(assignment.job), assignment.unit, farm.rules.pool
    is_repeat = False
    if run is not None and run.open is not None and unit in run.open.order.out:
        record = run.open.records.setdefault(unit, UnitRecord())
        is_repeat = assignment.replica in record.failed_on
        verdict = record.failed(error, replica=assignment.replica, was_alone=assignment.is_alone, rules=rules)
        run.open.order.put_back(unit)
        if verdict is FailureVerdict.LATER and run.patience.wait_s(error) is not None:
            farm.tell_waiting(run.name, run.patience, doing=f"the {_NOUNS[unit.stage]}")
        elif verdict in {FailureVerdict.LATER, FailureVerdict.END}:
            farm.tell(Broken(run.name, error))
        elif verdict is FailureVerdict.GIVE_UP:
            farm.tell(Broken(run.name, record.given_up()))
    if is_repeat or (is_of_machine(error) and error.retry is Retry.ELSEWHERE):
        # Its next unit would fare no better there.
        _end_helper(farm, unit.stage, assignment.replica, reason=error.message)


def take_back(farm: CoordinatorState, assignment: Assignment) -> None:
    """A window or a face did not begin: it is handed out again, and nobody is to blame."""
    run = farm.runs.get(assignment.job)
    if run is not None and run.open is not None and assignment.unit in run.open.order.out:
        with ends_alone(farm, run.name):
            run.open.order.put_back(assignment.unit)


def take_loss(farm: CoordinatorState, replica: str, stage: Stage, *, explained: bool, reason: str) -> None:
    """A helper is gone; of what it held, only what ran can be to blame."""
    farm.helpers[stage].pop(replica, None)
    farm.fresh_helper_due[stage] = time.monotonic() + farm.rules.pool.restart
    for key, assignment in tuple(farm.tasks_of(replica)):
        del farm.tasks[key]
        if assignment.since is None or explained:
            take_back(farm, assignment)
        else:
            with ends_alone(farm, assignment.job):
                take_failure(farm, assignment, ReplicaLost(reason, where=str(assignment.unit)))


def end_hung_helpers(farm: CoordinatorState, *, now: float) -> None:
    """End the replica of a window or face that hangs, as the scheduler does for segments."""
    for key, task in tuple(farm.tasks.items()):
        if task.attempt is not None or task.since is None or key not in farm.tasks:
            continue
        quiet_s = now - max(task.since, task.goes_on_at)
        why = hangs(farm.rules.pool, started_s=now - task.since, quiet_s=quiet_s)
        if why:
            farm.watcher.note("", f"{task.replica} is ended and replaced: {why}")
            del farm.tasks[key]
            with ends_alone(farm, task.job):
                take_failure(farm, task, ReplicaLost(why, where=str(task.unit)))


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


def _end_helper(farm: CoordinatorState, stage: Stage, replica: str, *, reason: str) -> None:
    """End a helper; another takes its place, and what it held is handed out again."""
    if replica in farm.helpers[stage]:
        take_loss(farm, replica, stage, explained=True, reason=reason)
        farm.backend.kill(replica)


def _wants_upstream(farm: CoordinatorState, entry: JobEntry) -> bool:
    run = farm.runs.get(entry.name)
    if run is None or run.open is not None or run.name in farm.opening or not _is_worked_on(farm, entry):
        return False
    return is_sketching(entry, run) or any(entry.counts[state] for state in _UNRENDERED)


def _is_worked_on(farm: CoordinatorState, entry: JobEntry) -> bool:
    """Windows and faces of it are wanted, for its pixels or for whoever chooses a take."""
    run = farm.runs.get(entry.name)
    return entry.is_dispatching or (run is not None and is_sketching(entry, run))


def _group(entry: JobEntry) -> tuple[Tier, str]:
    return entry.request.tier, entry.request.studio


def _read_speech(farm: CoordinatorState, run: JobRun, *, after_s: float = 0.0) -> None:
    speech = run.speech if len(run.speech.samples_S) else None
    # What is read for the plan is held once.
    run.speech = replace(run.speech, samples_S=run.speech.samples_S[:0])
    has_kept_motion = run.plan.offers_choice and not run.plan.awaits_choice
    if speech is not None and not has_kept_motion:
        begin_upstream(farm, run, OpenedSpeech(speech=speech))
        return
    farm.opening.add(run.name)
    take = run.plan.rendered_takes[0] if has_kept_motion else None
    then = callback_of(farm, run.name, partial(_speech_read, farm, run, run.plan))
    farm.background.ask(
        partial(_open_speech, run, speech, take=take, store=farm.services.store),
        then,
        kind=WorkKind.SPEECH,
        after_s=after_s,
    )


def _open_speech(run: JobRun, speech: Speech | None, *, take: int | None, store: ObjectStore) -> OpenedSpeech:
    kept = {} if take is None else kept_windows(run.plan, take=take, store=store)
    return OpenedSpeech(speech=speech or read_job_speech(run.cast), kept=kept)


def _use_kept_motion(run: JobRun) -> None:
    """Take in the windows that were predicted before, as far as there is room for them."""
    assert run.open is not None
    work = run.open
    while (unit := work.order.next(Stage.MOTION)) is not None and unit in work.kept:
        work.order.take(unit)
        work.motions[unit] = work.kept[unit]
        work.forget(work.order.done(unit))


def _speech_read(
    farm: CoordinatorState, run: JobRun, plan: RenderPlan, result: OpenedSpeech | FarmError
) -> None:
    farm.opening.discard(run.name)
    if run.plan is not plan:
        # A take was chosen meanwhile: what is wanted of it is read anew.
        return
    if isinstance(result, OpenedSpeech):
        begin_upstream(farm, run, result)
    elif farm.runs.get(run.name) is run:
        wait_s = run.patience.wait_s(result)
        if wait_s is None:
            farm.tell(Broken(run.name, result))
            return
        farm.tell_waiting(run.name, run.patience, doing="reading its speech")
        _read_speech(farm, run, after_s=wait_s)


def _next_unit(farm: CoordinatorState, stage: Stage) -> tuple[JobRun, Unit, str] | None:
    """What comes next, and the helper that gets it; what may be what kills replicas waits for a fresh one."""
    helpers = farm.helpers[stage]
    if all(len(helper.keys) >= SLOTS_PER_REPLICA for helper in helpers.values()):
        return None
    for run in _in_turn(farm):
        assert run.open is not None
        unit = None
        with ends_alone(farm, run.name):
            unit = run.open.order.next(stage)
        if unit is None:
            continue
        is_suspect = _is_suspect(farm, run, unit)
        replica = _fresh(helpers) if is_suspect else _with_room(helpers)
        if replica is not None:
            return run, unit, replica
        if is_suspect:
            _make_one_fresh(farm, stage)
    return None


def _in_turn(farm: CoordinatorState) -> Iterator[JobRun]:
    jobs = farm.scheduler.jobs
    open_jobs = [
        jobs[name]
        for name, run in farm.runs.items()
        if run.open is not None
        and name in jobs
        and _is_worked_on(farm, jobs[name])
        and not run.patience.is_waiting
    ]
    for entry in sorted(open_jobs, key=lambda entry: farm.scheduler.turn(entry.name)):
        yield farm.runs[entry.name]


def _is_suspect(farm: CoordinatorState, run: JobRun, unit: Unit) -> bool:
    record = None if run.open is None else run.open.records.get(unit)
    return record is not None and record.is_suspect(farm.rules.pool)


def _with_room(helpers: Mapping[str, Helper]) -> str | None:
    takes_more = [name for name, helper in helpers.items() if not (helper.is_alone or helper.is_leaving)]
    name = min(takes_more, key=lambda replica: len(helpers[replica].keys), default=None)
    return name if name is not None and len(helpers[name].keys) < SLOTS_PER_REPLICA else None


def _fresh(helpers: Mapping[str, Helper]) -> str | None:
    return next((name for name, helper in helpers.items() if helper.is_fresh), None)


def _make_one_fresh(farm: CoordinatorState, stage: Stage) -> None:
    """Have one helper emptied and started anew, unless another one is on its way already."""
    helpers = farm.helpers[stage]
    if not helpers or time.monotonic() < farm.fresh_helper_due.get(stage, 0.0):
        return
    name = min(helpers, key=lambda replica: len(helpers[replica].keys))
    helpers[name].is_leaving = True
    if not helpers[name].keys:
        _end_helper(farm, stage, name, reason="a fresh one is needed")


def _call_of(run: JobRun, unit: Unit) -> Call:
    if unit.stage is Stage.MOTION:
        return run.window_call(unit)
    return sketch_call(run, unit) if run.plan.awaits_choice else run.face_call(unit)


def _assign(farm: CoordinatorState, run: JobRun, unit: Unit, *, replica: str) -> None:
    assert run.open is not None
    run.open.order.take(unit)
    call = _call_of(run, unit)
    farm.counted += 1
    key = f"{farm.writer.epoch}-{unit.stage.value}-{farm.counted}"
    helper, is_alone = farm.helpers[unit.stage][replica], _is_suspect(farm, run, unit)
    farm.tasks[key] = Assignment(job=run.name, unit=unit, replica=replica, is_alone=is_alone)
    helper.keys.append(key)
    helper.is_fresh, helper.is_alone = False, is_alone
    farm.backend.submit(replica, Task(key=key, job=run.name, unit=unit, setup=run.setup, call=call))
