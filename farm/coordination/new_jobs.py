"""Jobs on their way into the farm: received, planned beside the loop, queued, or turned away with a reason."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from farm.coordination.background import WorkKind
from farm.coordination.job_run import JobRun
from farm.coordination.journal_writer import state_moved
from farm.coordination.state import CoordinatorState, FarmServices, PlanningJob, WholeRun
from farm.coordination.unforeseen import callback_of
from farm.coordination.whole_jobs import ALL_OF_IT, plan_whole, whole_request
from farm.preparation import Preparation, gather_cast, prepare_job, read_job_speech
from farm.scheduling.job_request import JobRequest
from farm.scheduling.messages import RequestRefused, Restore, SegmentsReady, Submit
from farm.scheduling.units import Stage, Unit
from jobs.errors import FarmError, OutputRefused, SpecError, SpecMistake, SubjectRefused
from jobs.journal_events import AccountNoted, JobErred, JobPlanned, JobReceived, SegmentCommitted
from jobs.lifecycle import JobEvent, JobState, SegmentEvent, SegmentState
from jobs.parse import LoadedJob
from jobs.places import find_places
from jobs.priority import OnQuarantine
from jobs.queued import QueuedJob, parse_queued, spelled_places
from jobs.reasons import Reason, ReasonKind
from jobs.states import step

_ON_HOLD = Reason(ReasonKind.USER, "it was submitted on hold")


def parse_document(
    document: dict[str, Any], *, folder: str, where: str, overwrite: bool = False
) -> QueuedJob:
    """The job that a document describes.

    Args:
        document: The job as plain data.
        folder: Where its relative paths start.
        where: What to call it in errors.
        overwrite: Whether files that the farm did not write may be replaced.

    Raises:
        SpecError: With every mistake in it, or the folder that its paths start at is none.
    """
    if "\0" in folder or not Path(folder).is_absolute():
        mistake = SpecMistake(path="", code="bad_folder", message="its folder is no absolute path")
        raise SpecError(mistakes=[mistake], where=where, hint="hand it in with farm submit")
    loaded = parse_queued(json.dumps(document), folder=Path(folder), where=where)
    return replace(loaded, overwrite=overwrite)


def plan_job(
    name: str,
    loaded: QueuedJob,
    *,
    studio: str,
    services: FarmServices,
    is_new: bool,
    chosen: int | None = None,
) -> JobRun | WholeRun:
    """Find what the job names, plan it, and ask the store what it holds of it.

    Args:
        name: Its name in the farm.
        loaded: The job.
        studio: Whose it is.
        services: What is the same for all jobs.
        is_new: See `prepare_job`.
        chosen: See `prepare_job`.

    Raises:
        FarmError: The job cannot be done.
    """
    if not isinstance(loaded, LoadedJob):
        return plan_whole(name, loaded, services=services)
    cast = gather_cast(loaded, stages=services.stages, cache=services.cache)
    speech = read_job_speech(cast)
    run = new_run(
        name,
        prepare_job(
            loaded,
            cast=cast,
            speech=speech,
            store=services.store,
            device_kind=services.device_kind,
            name=name,
            owner=studio,
            is_new=is_new,
            chosen=chosen,
        ),
    )
    # Hundreds of jobs may wait: their samples are read again when their turn is near.
    run.speech = replace(speech, samples_S=speech.samples_S[:0].copy())
    return run


def new_run(name: str, prepared: Preparation) -> JobRun:
    """A job that was prepared."""
    return JobRun(
        name=name,
        loaded=prepared.loaded,
        cast=prepared.cast,
        plan=prepared.plan,
        setup=prepared.setup,
        speech=prepared.speech,
        records=prepared.records,
        found=len(prepared.records),
        places=prepared.places,
        notes=[
            *(f"the speech: {sentence}" for sentence in prepared.speech.media.sentences()),
            *prepared.notes,
            *(f"{error.where}: {error.message}" for error in prepared.flagged),
        ],
    )


def job_request(run: JobRun, *, studio: str, on_hold: bool = False) -> JobRequest:
    """The job as the scheduler takes it."""
    scheduling = run.loaded.job.spec.scheduling
    return JobRequest(
        job=run.name,
        studio=studio,
        subject=run.cast.subject.sha256,
        segment_count=run.segment_count,
        profile=run.plan.profile,
        tier=scheduling.tier,
        weight=scheduling.weight,
        preview_first=min(scheduling.preview_first, run.segment_count),
        max_replicas=scheduling.max_replicas,
        max_gpu_seconds=scheduling.max_gpu_seconds,
        on_quarantine=scheduling.on_quarantine,
        max_failed_segments=scheduling.max_failed_segments,
        hold=_ON_HOLD if on_hold else None,
        motion_merged=False,
        awaits_choice=run.plan.awaits_choice,
        committed=run.committed(),
    )


def alone(request: JobRequest) -> JobRequest:
    """The request of a job that has the farm to itself, with nobody there to ask: it is never held."""
    on_quarantine = request.on_quarantine
    return replace(
        request,
        preview_first=0,
        max_replicas=None,
        max_gpu_seconds=None,
        on_quarantine=OnQuarantine.FAIL if on_quarantine is OnQuarantine.HOLD else on_quarantine,
    )


def receive(
    farm: CoordinatorState,
    name: str,
    *,
    document: dict[str, Any],
    folder: str,
    studio: str,
    on_hold: bool,
    overwrite: bool,
) -> None:
    """Take a job in.

    Raises:
        SpecError: With every mistake in the job; nothing has changed.
        OutputRefused: It writes what it or another job at hand reads or writes; nothing has changed.
    """
    loaded = parse_document(document, folder=folder, where=name, overwrite=overwrite)
    # As they are spelled: the disk, which may not answer, is asked beside the loop.
    farm.places.add(name, find_places(spelled_places(loaded, name=name), looks_on_disk=False))
    # With every default filled in: a later version of the farm, with others, must plan it as this one does.
    document = loaded.job.as_record()
    farm.writer.note(
        JobReceived(
            job=name,
            studio=studio,
            document=document,
            folder=folder,
            on_hold=on_hold,
            overwrite=overwrite,
        )
    )
    move(farm, name, JobState.RECEIVED, JobEvent.VALIDATION_STARTED, _PLANNING)
    _plan(
        farm,
        PlanningJob(name=name, studio=studio, loaded=loaded, on_hold=on_hold, patience=farm.patience()),
    )


def adopt(farm: CoordinatorState, run: JobRun, *, studio: str) -> None:
    """Take in a job that is planned already and has the farm to itself.

    Raises:
        RequestRefused: The studio has too much in the queue.
    """
    folder, document = str(run.loaded.folder), run.loaded.job.as_record()
    farm.writer.note(JobReceived(job=run.name, studio=studio, document=document, folder=folder))
    move(farm, run.name, JobState.RECEIVED, JobEvent.VALIDATION_STARTED, _PLANNING)
    enqueue(farm, run, request=alone(job_request(run, studio=studio)))


def plan_again(farm: CoordinatorState, job: PlanningJob, *, state: JobState) -> None:
    """Go on with a job whose planning was interrupted by the end of the farm."""
    if state is JobState.RECEIVED:
        move(farm, job.name, JobState.RECEIVED, JobEvent.VALIDATION_STARTED, _PLANNING)
    _plan(farm, job)


def enqueue(farm: CoordinatorState, run: JobRun, *, request: JobRequest) -> None:
    """Hand a planned job to the scheduler, with what the store holds of it already.

    Raises:
        RequestRefused: The studio has too much in the queue.
    """
    farm.writer.note(
        JobPlanned(
            job=run.name,
            plan_hash=run.plan.plan_hash,
            takes=max(1, len(run.plan.rendered_takes)),
            offered=run.plan.takes if run.plan.offers_choice else 0,
            chosen=run.plan.rendered_takes[0] if run.plan.offers_choice and run.plan.rendered_takes else None,
            segments_per_take=len(run.plan.segments),
            told=tuple(run.speech.media.sentences()),
        )
    )
    move(farm, run.name, JobState.VALIDATING, JobEvent.PLANNED, _PLANNING)
    note_found(farm, run)
    farm.runs[run.name] = run
    farm.tell(Submit(request))


def enqueue_whole(farm: CoordinatorState, run: WholeRun, *, request: JobRequest) -> None:
    """Hand a planned job in one piece to the scheduler.

    Raises:
        RequestRefused: The studio has too much in the queue.
    """
    farm.writer.note(JobPlanned(job=run.name, plan_hash=run.plan_hash, takes=1, segments_per_take=1))
    move(farm, run.name, JobState.VALIDATING, JobEvent.PLANNED, _PLANNING)
    take_up_whole(farm, run, Submit(request))


def take_up_whole(farm: CoordinatorState, run: WholeRun, event: Submit | Restore) -> None:
    """Have a job in one piece in the line, and replicas for it. Raises as `enqueue_whole`."""
    farm.whole[run.name] = run
    farm.backend.start_stage(run.stage)
    farm.tell(event)
    farm.tell(SegmentsReady(run.name, (ALL_OF_IT,)))


def note_found(farm: CoordinatorState, run: JobRun) -> None:
    """Write down the segments that the store held before."""
    for (take, index), record in sorted(run.records.items()):
        segment = run.number(Unit(take, index, Stage.RENDER))
        farm.writer.note(SegmentCommitted(job=run.name, segment=segment, record=record))
        _note_move(
            farm,
            f"{run.name}/{segment}",
            SegmentState.BLOCKED,
            SegmentEvent.COMMITTED,
            SegmentState.COMMITTED,
            Reason(ReasonKind.STORE, "the store holds it"),
        )
    if run.records:
        farm.watcher.note(
            run.name, f"{len(run.records)} of {run.segment_count} segments were already committed"
        )
    for note in run.notes:
        farm.watcher.note(run.name, note)


def note_account(farm: CoordinatorState, name: str) -> None:
    """Write down what the job has spent and may spend, where its committed segments do not tell."""
    entry = farm.scheduler.jobs[name]
    farm.writer.note(AccountNoted(job=name, spent=entry.spent, max_gpu_seconds=entry.max_gpu_seconds))


def turn_away(farm: CoordinatorState, name: str, state: JobState, error: FarmError) -> None:
    """The job ends before it was queued."""
    farm.places.remove(name)
    if isinstance(error, (SubjectRefused, RequestRefused)):
        move(farm, name, state, JobEvent.REJECTED, Reason.of(ReasonKind.REFUSAL, error))
    else:
        move(farm, name, state, JobEvent.FAILED, Reason.of(ReasonKind.PERMANENT, error))
    farm.writer.note(JobErred(job=name, error=error.as_record()))
    farm.watcher.note(name, error.line())


def cancel_planning(farm: CoordinatorState, name: str) -> None:
    """Somebody cancels a job that is being planned."""
    job = farm.planning[name]
    job.is_cancelled = True
    farm.places.remove(name)
    asked = Reason(ReasonKind.USER, "a user asked for it")
    move(farm, name, JobState.VALIDATING, JobEvent.CANCEL_ASKED, asked)
    quiet = Reason(ReasonKind.WORK, "nothing of it runs any more")
    move(farm, name, JobState.CANCEL_REQUESTED, JobEvent.QUIET, quiet)


def move(farm: CoordinatorState, name: str, before: JobState, event: JobEvent, reason: Reason) -> None:
    """A transition of a job that the scheduler does not have."""
    after = step(before, event, reason)
    _note_move(farm, name, before, event, after, reason)


_PLANNING = Reason(ReasonKind.PLAN, "it came in")


def _note_move(
    farm: CoordinatorState,
    subject: str,
    before: JobState | SegmentState,
    event: JobEvent | SegmentEvent,
    after: JobState | SegmentState,
    reason: Reason,
) -> None:
    farm.writer.note(state_moved(subject, before, event, after, reason))


def _plan(farm: CoordinatorState, job: PlanningJob, *, after_s: float = 0.0) -> None:
    farm.planning[job.name] = job
    farm.background.ask(
        partial(plan_job, job.name, job.loaded, studio=job.studio, services=farm.services, is_new=True),
        callback_of(farm, job.name, partial(_planned, farm, job)),
        kind=WorkKind.PLAN,
        after_s=after_s,
    )


def _planned(farm: CoordinatorState, job: PlanningJob, result: JobRun | WholeRun | FarmError) -> None:
    if job.is_cancelled:
        farm.planning.pop(job.name, None)
        return
    wait_s = job.patience.wait_s(result) if isinstance(result, FarmError) else None
    if wait_s is not None:
        farm.tell_waiting(job.name, job.patience, doing="planning")
        _plan(farm, job, after_s=wait_s)
        return
    del farm.planning[job.name]
    if isinstance(result, FarmError):
        turn_away(farm, job.name, JobState.VALIDATING, result)
        return
    try:
        farm.places.add(job.name, result.places)
    except OutputRefused as refusal:
        turn_away(farm, job.name, JobState.VALIDATING, refusal)
        return
    try:
        if isinstance(result, WholeRun):
            hold = _ON_HOLD if job.on_hold else None
            enqueue_whole(farm, result, request=whole_request(result, studio=job.studio, hold=hold))
        else:
            request = job_request(result, studio=job.studio, on_hold=job.on_hold)
            enqueue(farm, result, request=request)
    except RequestRefused as refusal:
        farm.runs.pop(job.name, None)
        farm.whole.pop(job.name, None)
        turn_away(farm, job.name, JobState.PLANNED, refusal)
