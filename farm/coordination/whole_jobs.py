"""Jobs in one piece on their way: planned, handed to the pool of their kind, followed, and taken in when they are done.

To the scheduler such a job is one segment that is all of its work, so that its tries, its studio's share, pauses and
cancels are those of any segment.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Final

from farm.coordination.state import Assignment, CoordinatorState, FarmServices, WholeRun
from farm.destinations import check_destination
from farm.execution.calls import WholeCall, WholeDone, WholeStep
from farm.execution.pools.messages import Finished, WholeTask
from farm.outputs import store_places
from farm.scheduling.job_request import JobRequest
from farm.scheduling.messages import Dispatch, SegmentsReady, Succeeded
from farm.scheduling.state import Moved
from farm.scheduling.units import Stage, Unit
from farm.scheduling.why import WaitCode, WaitingReason
from infra.delivery import check_bucket
from jobs.errors import InputNotFound, SpecError, SpecMistake
from jobs.identity import sha256_of_record
from jobs.journal_events import WholeAdvanced, WholeFinished
from jobs.lifecycle import SegmentState
from jobs.locations import is_s3
from jobs.parse import LoadedTraining
from jobs.places import JobPlaces, find_places
from jobs.prepare_job import LoadedPreparation
from jobs.queued import WholeJob, found_places
from jobs.reasons import Reason
from jobs.spec import Profile

ALL_OF_IT: Final = 0
"""The one segment of a job in one piece."""

_TOLD_EVERY_S: Final = 2.0
_TOLD_SHARE: Final = 0.01
"""A step is told of once it is a hundredth further, and no more than once in so many seconds: a journal is for ever."""


def stage_of(loaded: WholeJob) -> Stage:
    """The pool of a job's kind."""
    if isinstance(loaded, LoadedPreparation):
        return Stage.PREPARATION
    return Stage.TRAINING if isinstance(loaded, LoadedTraining) else Stage.EVALUATION


def plan_whole(name: str, loaded: WholeJob, *, services: FarmServices) -> WholeRun:
    """See that what a job in one piece reads is there, and that what it writes can be written.

    Args:
        name: Its name in the farm.
        loaded: The job.
        services: What is the same for all jobs.

    Raises:
        FarmError: It cannot be done.
    """
    _refuse_workers(loaded, name)
    return WholeRun(
        name=name,
        loaded=loaded,
        stage=stage_of(loaded),
        places=find_places(checked_places(loaded, name=name, store=services.store.uri)),
        plan_hash=sha256_of_record(loaded.job.as_record()),
    )


def checked_places(loaded: WholeJob, *, name: str, store: str) -> JobPlaces:
    """What a job in one piece reads, which is there, and what it writes, which can be written.

    Args:
        loaded: The job.
        name: What to call it beside others.
        store: Address of the store, into whose folders no job writes.

    Raises:
        FarmError: It cannot be done.
    """
    places = found_places(loaded, name=name)
    for place in places.reads:
        if not is_s3(place.location) and not Path(place.location).exists():
            hint = "check the path; the farm must see it under the same one"
            raise InputNotFound(f"there is no '{place.location}'", where=place.field, hint=hint)
    for place in places.writes:
        if is_s3(place.location):
            check_bucket(place.location, where=place.field)
        elif place.is_folder:
            check_destination(Path(place.location) / "file", where=place.field)
        else:
            check_destination(Path(place.location), where=place.field)
    return places.reading(store_places(store))


def whole_request(run: WholeRun, *, studio: str, hold: Reason | None = None) -> JobRequest:
    """The job as the scheduler takes it."""
    return JobRequest(
        job=run.name,
        studio=studio,
        # No replica keeps anything of it, and in its pool all cost alike before they are measured.
        subject=run.name,
        profile=Profile.FULL,
        stage=run.stage,
        segment_count=1,
        # Two at once would write the same files: not even one that is being stopped may go on beside another.
        max_replicas=1,
        hold=hold,
        motion_merged=False,
    )


def follow_whole(farm: CoordinatorState, run: WholeRun, moved: Moved) -> None:
    """Nothing has to be made before it can run: it waits for a replica at once."""
    if moved.after is SegmentState.BLOCKED:
        farm.tell(SegmentsReady(run.name, (ALL_OF_IT,)))


def dispatch_whole(farm: CoordinatorState, run: WholeRun, action: Dispatch) -> None:
    """Hand the job to a replica."""
    key, unit = farm.key_of(action.attempt), Unit(1, ALL_OF_IT, run.stage)
    farm.tasks[key] = Assignment(job=run.name, unit=unit, replica=action.replica, attempt=action.attempt)
    call = WholeCall(
        name=run.name,
        document=json.dumps(run.loaded.job.as_record()),
        folder=run.loaded.folder,
        overwrite=run.loaded.overwrite,
    )
    farm.backend.submit(action.replica, WholeTask(key=key, job=run.name, unit=unit, call=call))


def gets_on(farm: CoordinatorState, run: WholeRun, step: WholeStep | None) -> bool:
    """Whether the job is further than when it was asked last; what is worth it goes into the journal."""
    if step is None or step == run.step:
        return False
    now, told = time.monotonic(), run.told
    run.step = step
    is_next = told is None or told.step != step.step
    is_far = told is not None and abs(step.done - told.done) >= _TOLD_SHARE * step.total
    if is_next or (is_far and now - run.told_at >= _TOLD_EVERY_S):
        run.told, run.told_at = step, now
        farm.writer.note(WholeAdvanced(job=run.name, step=step.step, done=step.done, total=step.total))
    return True


def take_whole(
    farm: CoordinatorState, run: WholeRun, assignment: Assignment, finished: Finished, done: WholeDone
) -> None:
    """The job is done."""
    assert assignment.attempt is not None
    farm.writer.note(
        WholeFinished(job=run.name, outputs=done.outputs, told=done.told, seconds=finished.seconds)
    )
    for told in (*done.told, f"done: {', '.join(done.outputs)}"):
        farm.watcher.note(run.name, told)
    farm.tell(Succeeded(assignment.attempt, finished.seconds))


def whole_sentence(farm: CoordinatorState, run: WholeRun, found: WaitingReason) -> str:
    """Why the job waits, or how far it is, for a person; `found` is what the scheduler says of its segment."""
    noun, size = run.stage.value, farm.pools.by_stage()[run.stage]
    if found.code is WaitCode.NO_CAPACITY and not size:
        return f"The farm has no replica for {noun}: spec.replicas.{noun} of its file is 0."
    tried = farm.scheduler.jobs[run.name].patience.error
    sentences = {
        WaitCode.RUNNING: f"A replica works on its {noun}{_shown(run.step)}.",
        WaitCode.NO_CAPACITY: f"No replica for {noun} is ready.",
        WaitCode.TURN: f"Every replica for {noun} is busy; {found.position} such jobs come before it.",
        WaitCode.JOB_LIMIT: "What runs of it is stopped first.",
        WaitCode.MOTION: "It is about to be handed out.",
        WaitCode.BACKOFF: "It is tried again after a wait.",
        WaitCode.FRESH_REPLICA: "Replicas died over it: it waits to run alone on a fresh one.",
        WaitCode.STOPPING: "It is being cancelled: what runs of it stops.",
    }
    sentence = sentences.get(found.code, found.sentence)
    is_open = found.code in {WaitCode.RUNNING, WaitCode.BACKOFF, WaitCode.TURN}
    return f"{sentence} The last try came to {tried.line()}." if tried and is_open else sentence


def _shown(step: WholeStep | None) -> str:
    if step is None:
        return ""
    return f": {step.step}, {step.done} of {step.total}" if step.total else f": {step.step}"


def _refuse_workers(loaded: WholeJob, name: str) -> None:
    """Raises SpecError where a training shall have several workers: on a farm it has the replica that it is given."""
    if isinstance(loaded, LoadedTraining) and loaded.job.spec.workers > 1:
        mistake = SpecMistake(
            path="spec.workers",
            code="one_worker",
            message="must be 1 on a shared farm: a training has one replica there",
            hint="leave it out, or use farm train",
        )
        raise SpecError(mistakes=[mistake], where=name)
