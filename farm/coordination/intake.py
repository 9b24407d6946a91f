"""Jobs on their way into the farm: received, planned beside the loop, queued, or turned away with a reason."""

from __future__ import annotations

from functools import partial
from typing import Any

from farm.coordination.desk import Lane
from farm.coordination.floor import Arrival, Floor
from farm.coordination.job_run import JobRun
from farm.coordination.planning import alone, job_request, parse_document, plan_job
from farm.coordination.unforeseen import callback_of
from farm.scheduling.shared.events import Submit
from farm.scheduling.shared.refusals import RequestRefused
from farm.scheduling.shared.requests import JobRequest
from jobs.errors import FarmError, OutputRefused, SubjectRefused
from jobs.journal_events import AccountNoted, JobErred, JobPlanned, JobReceived, SegmentCommitted, StateMoved
from jobs.lifecycle import JobEvent, JobState, SegmentEvent, SegmentState
from jobs.places import find_places
from jobs.reasons import Reason, ReasonKind
from jobs.states import step


def receive(
    floor: Floor,
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
    floor.places.add(name, find_places(loaded.places(name=name), looks_on_disk=False))
    # With every default filled in: a later version of the farm, with others, must plan it as this one does.
    document = loaded.job.as_record()
    floor.scribe.note(
        JobReceived(
            job=name,
            studio=studio,
            document=document,
            folder=folder,
            on_hold=on_hold,
            overwrite=overwrite,
        )
    )
    move(floor, name, JobState.RECEIVED, JobEvent.VALIDATION_STARTED, _PLANNING)
    _plan(
        floor,
        Arrival(name=name, studio=studio, loaded=loaded, on_hold=on_hold, patience=floor.patience()),
    )


def adopt(floor: Floor, run: JobRun, *, studio: str) -> None:
    """Take in a job that is planned already and has the farm to itself.

    Raises:
        RequestRefused: The studio has too much in the queue.
    """
    folder, document = str(run.loaded.folder), run.loaded.job.as_record()
    floor.scribe.note(JobReceived(job=run.name, studio=studio, document=document, folder=folder))
    move(floor, run.name, JobState.RECEIVED, JobEvent.VALIDATION_STARTED, _PLANNING)
    enqueue(floor, run, request=alone(job_request(run, studio=studio)))


def plan_again(floor: Floor, arrival: Arrival, *, state: JobState) -> None:
    """Go on with a job whose planning was interrupted by the end of the farm."""
    if state is JobState.RECEIVED:
        move(floor, arrival.name, JobState.RECEIVED, JobEvent.VALIDATION_STARTED, _PLANNING)
    _plan(floor, arrival)


def enqueue(floor: Floor, run: JobRun, *, request: JobRequest) -> None:
    """Hand a planned job to the scheduler, with what the store holds of it already.

    Raises:
        RequestRefused: The studio has too much in the queue.
    """
    floor.scribe.note(
        JobPlanned(
            job=run.name,
            plan_hash=run.plan.plan_hash,
            takes=run.plan.takes,
            segments_per_take=len(run.plan.segments),
        )
    )
    move(floor, run.name, JobState.VALIDATING, JobEvent.PLANNED, _PLANNING)
    note_found(floor, run)
    floor.runs[run.name] = run
    floor.tell(Submit(request))


def note_found(floor: Floor, run: JobRun) -> None:
    """Write down the segments that the store held before."""
    for (take, index), record in sorted(run.records.items()):
        segment = (take - 1) * len(run.plan.segments) + index
        floor.scribe.note(SegmentCommitted(job=run.name, segment=segment, record=record))
        _note_move(
            floor,
            f"{run.name}/{segment}",
            SegmentState.BLOCKED,
            SegmentEvent.COMMITTED,
            SegmentState.COMMITTED,
            Reason(ReasonKind.STORE, "the store holds it"),
        )
    if run.records:
        floor.watcher.note(
            run.name, f"{len(run.records)} of {run.segment_count} segments were already committed"
        )
    for note in run.notes:
        floor.watcher.note(run.name, note)


def note_account(floor: Floor, name: str) -> None:
    """Write down what the job has spent and may spend, where its committed segments do not tell."""
    entry = floor.scheduler.jobs[name]
    floor.scribe.note(AccountNoted(job=name, spent=entry.spent, max_gpu_seconds=entry.max_gpu_seconds))


def turn_away(floor: Floor, name: str, state: JobState, error: FarmError) -> None:
    """The job ends before it was queued."""
    floor.places.remove(name)
    if isinstance(error, (SubjectRefused, RequestRefused)):
        move(floor, name, state, JobEvent.REJECTED, Reason(ReasonKind.REFUSAL, error.message))
    else:
        move(floor, name, state, JobEvent.FAILED, Reason(ReasonKind.PERMANENT, error.message))
    floor.scribe.note(JobErred(job=name, error=error.as_record()))
    floor.watcher.note(name, error.line())


def cancel_arrival(floor: Floor, name: str) -> None:
    """Somebody cancels a job that is being planned."""
    arrival = floor.arrivals[name]
    arrival.is_cancelled = True
    floor.places.remove(name)
    asked = Reason(ReasonKind.USER, "a user asked for it")
    move(floor, name, JobState.VALIDATING, JobEvent.CANCEL_ASKED, asked)
    quiet = Reason(ReasonKind.WORK, "nothing of it runs any more")
    move(floor, name, JobState.CANCEL_REQUESTED, JobEvent.QUIET, quiet)


def move(floor: Floor, name: str, before: JobState, event: JobEvent, reason: Reason) -> None:
    """A transition of a job that the scheduler does not have."""
    after = step(before, event, reason)
    _note_move(floor, name, before, event, after, reason)


_PLANNING = Reason(ReasonKind.PLAN, "it came in")


def _note_move(
    floor: Floor,
    subject: str,
    before: JobState | SegmentState,
    event: JobEvent | SegmentEvent,
    after: JobState | SegmentState,
    reason: Reason,
) -> None:
    floor.scribe.note(
        StateMoved(
            subject=subject,
            before=before.value,
            event=event.value,
            after=after.value,
            reason_kind=reason.kind,
            reason=reason.text,
        )
    )


def _plan(floor: Floor, arrival: Arrival, *, after_s: float = 0.0) -> None:
    floor.arrivals[arrival.name] = arrival
    floor.desk.ask(
        partial(plan_job, arrival.name, arrival.loaded, house=floor.house, is_new=True),
        callback_of(floor, arrival.name, partial(_planned, floor, arrival)),
        lane=Lane.PLAN,
        after_s=after_s,
    )


def _planned(floor: Floor, arrival: Arrival, result: JobRun | FarmError) -> None:
    if arrival.is_cancelled:
        floor.arrivals.pop(arrival.name, None)
        return
    wait_s = arrival.patience.wait_s(result) if isinstance(result, FarmError) else None
    if wait_s is not None:
        floor.watcher.note(arrival.name, arrival.patience.sentence("planning"))
        _plan(floor, arrival, after_s=wait_s)
        return
    del floor.arrivals[arrival.name]
    if isinstance(result, FarmError):
        turn_away(floor, arrival.name, JobState.VALIDATING, result)
        return
    try:
        floor.places.add(arrival.name, result.places)
    except OutputRefused as refusal:
        turn_away(floor, arrival.name, JobState.VALIDATING, refusal)
        return
    try:
        request = job_request(result, studio=arrival.studio, on_hold=arrival.on_hold)
        enqueue(floor, result, request=request)
    except RequestRefused as refusal:
        del floor.runs[arrival.name]
        turn_away(floor, arrival.name, JobState.PLANNED, refusal)
