"""What a new run of the farm does with the jobs of earlier ones: it plans them again and goes on where they stand.

The journal knows which jobs there are and what people decided; the store knows which segments are committed.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from functools import partial

from farm.coordination.background import WorkKind
from farm.coordination.job_run import JobRun
from farm.coordination.leftovers import remove_leftovers
from farm.coordination.new_jobs import (
    job_request,
    move,
    parse_document,
    plan_again,
    plan_job,
    take_up_whole,
)
from farm.coordination.state import CoordinatorState, PlanningJob, ReturningJob, WholeRun
from farm.coordination.unforeseen import callback_of, ends_alone
from farm.coordination.whole_jobs import whole_request
from farm.crashes import caught
from farm.ledger import LedgerJob
from farm.scheduling.messages import Restore
from farm.scheduling.units import Stage, Unit
from jobs.errors import FarmError, InputChanged, OutputRefused
from jobs.farm_requests import PauseRequest
from jobs.journal_events import JobErred, JobRestored, SegmentCommitted, StateMoved
from jobs.lifecycle import JobEvent, JobState, SegmentEvent, SegmentState
from jobs.places import FoundPlaces, find_places
from jobs.queued import QueuedJob, spelled_places
from jobs.reasons import Reason, ReasonKind
from jobs.states import step

# What the last run could write of them, it did, in the same transaction as their state.
_SETTLED = frozenset({SegmentState.COMMITTED, SegmentState.WAIVED})
_GIVEN_UP = (SegmentState.QUARANTINED, SegmentState.FAILED)
_PAUSED = frozenset({JobState.PAUSED, JobState.PAUSE_REQUESTED})


def restore_all(farm: CoordinatorState) -> None:
    """Take up every job that has not ended, in the order in which they came."""
    found, cancelled = list[tuple[LedgerJob, QueuedJob]](), list[QueuedJob]()
    for job in tuple(farm.writer.ledger.jobs.values()):
        # One that the farm fails over must not keep it from starting.
        with ends_alone(farm, job.name):
            if job.state is JobState.CANCEL_REQUESTED:
                # What ran of it ended with the run that it ran in.
                quiet = Reason(ReasonKind.WORK, "nothing of it runs any more")
                move(farm, job.name, JobState.CANCEL_REQUESTED, JobEvent.QUIET, quiet)
                with suppress(FarmError):
                    cancelled.append(_loaded(job))
            elif not job.state.is_terminal:
                try:
                    found.append((job, _loaded(job)))
                except FarmError as error:
                    # An earlier version took it in.
                    _refuse(farm, job, error)
    with caught():
        remove_leftovers([*cancelled, *(loaded for _, loaded in found)], store=farm.services.store)
    for job, loaded in found:
        with ends_alone(farm, job.name):
            farm.places.keep(job.name, _spelled(loaded, job.name))
            restore(farm, job, loaded)


def _loaded(job: LedgerJob) -> QueuedJob:
    """The job that an earlier run took in. Raises SpecError when this version does not understand it."""
    return parse_document(job.document, folder=job.folder, where=job.name, overwrite=job.overwrite)


def _spelled(loaded: QueuedJob, name: str) -> FoundPlaces:
    """What a job reads and writes, as it is spelled; nothing where an earlier version took in what this one refuses."""
    try:
        return find_places(spelled_places(loaded, name=name), looks_on_disk=False)
    except OutputRefused:
        return ()


def restore(farm: CoordinatorState, job: LedgerJob, loaded: QueuedJob, *, is_retry: bool = False) -> None:
    """Plan the job again, beside the loop, and go on with it.

    Args:
        farm: The farm.
        job: The job as the journal knows it.
        loaded: What its document says.
        is_retry: See `retry`.
    """
    if not job.is_planned:
        new = PlanningJob(
            name=job.name,
            studio=job.studio,
            loaded=loaded,
            on_hold=job.on_hold,
            patience=farm.patience(),
        )
        plan_again(farm, new, state=job.state)
        return
    back = ReturningJob(job=job, loaded=loaded, is_retry=is_retry, patience=farm.patience())
    farm.restoring[job.name] = back
    _plan(farm, back)


def retry(farm: CoordinatorState, job: LedgerJob, loaded: QueuedJob) -> None:
    """Plan a job that had failed again, and go on with it; nothing is held against its segments.

    A take of which every segment is waived has no picture that could stand still: these are tried again as well.
    Each is said to be retried by itself: the farm may end before the job is planned.
    """
    asked = Reason(ReasonKind.USER, "a user asked for it")
    move(farm, job.name, JobState.FAILED, JobEvent.RETRIED, asked)
    bare = _bare(job)
    for segment, state in enumerate(job.segments):
        if state in _GIVEN_UP or segment in bare:
            farm.writer.note(
                StateMoved(
                    subject=f"{job.name}/{segment}",
                    before=state.value,
                    event=SegmentEvent.RETRIED.value,
                    after=step(state, SegmentEvent.RETRIED, asked).value,
                    reason_kind=asked.kind,
                    reason=asked.text,
                )
            )
    restore(farm, job, loaded, is_retry=True)


def cancel_return(farm: CoordinatorState, name: str) -> None:
    """Somebody cancels a job that is being planned again."""
    back = farm.restoring.pop(name)
    back.is_cancelled = True
    farm.places.remove(name)
    # Only a queued job can be cancelled, so it is queued first.
    farm.writer.note(_queued(back.job, is_retry=back.is_retry))
    asked = Reason(ReasonKind.USER, "a user asked for it")
    move(farm, name, JobState.QUEUED, JobEvent.CANCEL_ASKED, asked)
    quiet = Reason(ReasonKind.WORK, "nothing of it runs any more")
    move(farm, name, JobState.CANCEL_REQUESTED, JobEvent.QUIET, quiet)


def _plan(farm: CoordinatorState, back: ReturningJob, *, after_s: float = 0.0) -> None:
    farm.background.ask(
        partial(
            plan_job,
            back.job.name,
            back.loaded,
            studio=back.job.studio,
            services=farm.services,
            is_new=False,
            chosen=back.job.chosen,
        ),
        callback_of(farm, back.job.name, partial(_planned, farm, back)),
        kind=WorkKind.PLAN,
        after_s=after_s,
    )


def _planned(farm: CoordinatorState, back: ReturningJob, result: JobRun | WholeRun | FarmError) -> None:
    if back.is_cancelled:
        return
    job = back.job
    wait_s = back.patience.wait_s(result) if isinstance(result, FarmError) else None
    if wait_s is not None:
        farm.tell_waiting(job.name, back.patience, doing="planning")
        _plan(farm, back, after_s=wait_s)
        return
    del farm.restoring[job.name]
    if isinstance(result, JobRun) and result.plan.plan_hash != job.plan_hash:
        result = InputChanged(
            "what it is made of, or the engine, is not what it was when the job was planned",
            where=job.name,
            hint="submit it again: it would be another video",
        )
    if not isinstance(result, FarmError):
        result = _with_places(farm, result, is_retry=back.is_retry)
    if isinstance(result, FarmError):
        _refuse(farm, job, result, is_retry=back.is_retry)
    elif isinstance(result, WholeRun):
        _go_on_whole(farm, job, result)
    else:
        _go_on(farm, job, result, is_retry=back.is_retry)


def _with_places(
    farm: CoordinatorState, run: JobRun | WholeRun, *, is_retry: bool
) -> JobRun | WholeRun | OutputRefused:
    """The job with its places taken. One of an earlier run has them already; one that had failed asks for them anew."""
    if not is_retry:
        farm.places.keep(run.name, run.places)
        return run
    try:
        farm.places.add(run.name, run.places)
    except OutputRefused as refusal:
        return refusal
    return run


def _go_on(farm: CoordinatorState, job: LedgerJob, run: JobRun, *, is_retry: bool) -> None:
    """Hand the job to the scheduler as it stands."""
    states = dict(enumerate(job.segments))
    waived = frozenset(n for n, state in states.items() if state is SegmentState.WAIVED)
    if is_retry:
        waived -= _bare(job)
    committed = run.committed() - waived
    quarantined = frozenset(_quarantined(job, is_retry=is_retry)) - committed
    is_rendered = len(committed | waived) == run.segment_count
    hold = _hold(job, is_rendered=is_rendered)
    restored = JobRestored(
        job=job.name,
        state=JobState.QUEUED.value,
        committed=tuple(sorted(committed)),
        quarantined=tuple(sorted(quarantined)),
        waived=tuple(sorted(waived)),
    )
    farm.writer.note(restored if hold is None else _held(restored, hold))
    _note_records(farm, job, run)
    planned = job_request(run, studio=job.studio)
    request = replace(
        planned,
        hold=hold,
        committed=committed,
        quarantined=quarantined,
        waived=waived,
        filled=frozenset() if is_retry else waived & job.filled,
        spent=job.seconds,
        max_gpu_seconds=job.max_gpu_seconds or planned.max_gpu_seconds,
    )
    run.sketches.are_shown = job.sketched is not None
    farm.runs[job.name] = run
    farm.tell(Restore(request))
    farm.watcher.note(job.name, "queued, it is planned again" if hold is None else f"held, {hold}")
    if job.state in _PAUSED and farm.scheduler.jobs[job.name].is_dispatching:
        farm.tell(PauseRequest(job=job.name))


def _go_on_whole(farm: CoordinatorState, job: LedgerJob, run: WholeRun) -> None:
    """Hand a job in one piece to the scheduler; what an earlier try did of it lies on the disk."""
    hold = _hold(job, is_rendered=False)
    restored = JobRestored(job=job.name, state=JobState.QUEUED.value)
    farm.writer.note(restored if hold is None else _held(restored, hold))
    request = replace(
        whole_request(run, studio=job.studio, hold=hold),
        spent=job.seconds,
        max_gpu_seconds=job.max_gpu_seconds,
    )
    take_up_whole(farm, run, Restore(request))
    farm.watcher.note(job.name, "queued, it goes on" if hold is None else f"held, {hold}")
    if job.state in _PAUSED and farm.scheduler.jobs[job.name].is_dispatching:
        farm.tell(PauseRequest(job=job.name))


def _hold(job: LedgerJob, *, is_rendered: bool) -> Reason | None:
    """Why the job waits for a person; None where it goes on."""
    if job.state in _PAUSED and is_rendered:
        # It would go on to its masters before it can be paused again.
        return Reason(ReasonKind.WORK, "it was paused when it lacked nothing but its masters")
    if job.state is not JobState.HELD or job.reason is None:
        return None
    if job.reason.kind is ReasonKind.CHOICE:
        # The scheduler holds it for the choice again, at once.
        return None
    if job.reason.kind is ReasonKind.POLICY or (job.reason.kind is ReasonKind.BUDGET and is_rendered):
        # The scheduler holds it again at once, unless the store has by now what it was held for.
        return None
    return job.reason


def _held(restored: JobRestored, hold: Reason) -> JobRestored:
    return restored.model_copy(
        update={"state": JobState.HELD.value, "reason_kind": hold.kind, "reason": hold.text}
    )


def _note_records(farm: CoordinatorState, job: LedgerJob, run: JobRun) -> None:
    """Segments that were committed just before the last run ended, and that it could not write down."""
    for (take, index), record in sorted(run.records.items()):
        segment = run.number(Unit(take, index, Stage.RENDER))
        if job.segments[segment] not in _SETTLED:
            farm.writer.note(SegmentCommitted(job=job.name, segment=segment, record=record))
    if run.records:
        farm.watcher.note(
            job.name, f"goes on: {len(run.records)} of {run.segment_count} segments are committed"
        )


def _refuse(farm: CoordinatorState, job: LedgerJob, error: FarmError, *, is_retry: bool = False) -> None:
    """It cannot go on. Only a queued job can fail for a lasting reason, so it is queued first."""
    farm.places.remove(job.name)
    farm.writer.note(_queued(job, is_retry=is_retry))
    move(farm, job.name, JobState.QUEUED, JobEvent.FAILED, Reason.of(ReasonKind.PERMANENT, error))
    farm.writer.note(JobErred(job=job.name, error=error.as_record()))
    farm.watcher.note(job.name, error.line())


def _queued(job: LedgerJob, *, is_retry: bool) -> JobRestored:
    """The job in the queue, its segments as the journal knows them."""
    return JobRestored(
        job=job.name,
        state=JobState.QUEUED.value,
        committed=tuple(job.segments.numbers(SegmentState.COMMITTED)),
        quarantined=_quarantined(job, is_retry=is_retry),
        waived=tuple(job.segments.numbers(SegmentState.WAIVED)),
    )


def _bare(job: LedgerJob) -> frozenset[int]:
    """The segments of takes of which every one is waived."""
    states, bare = tuple(job.segments), set[int]()
    for first in range(0, len(states), job.segments_per_take):
        take = range(first, first + job.segments_per_take)
        if all(states[segment] is SegmentState.WAIVED for segment in take):
            bare.update(take)
    return frozenset(bare)


def _quarantined(job: LedgerJob, *, is_retry: bool) -> tuple[int, ...]:
    # What a retry says of them may not be in the ledger yet: the background can answer in the turn that asked it.
    return () if is_retry else tuple(job.segments.numbers(SegmentState.QUARANTINED))
