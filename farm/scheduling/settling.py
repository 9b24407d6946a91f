"""Moves a job on that has nothing left to wait for, and takes it from its last segment to its master."""

from __future__ import annotations

from farm.scheduling.answers import found_segment
from farm.scheduling.failures import fail_job
from farm.scheduling.job import JobEntry
from farm.scheduling.messages import (
    Broken,
    Delivered,
    Finish,
    FinishFailed,
    FinishStopped,
    FlowEvent,
    MotionGone,
    SegmentFound,
    SegmentsReady,
    Stitched,
    StopFinish,
)
from farm.scheduling.state import FarmState
from farm.scheduling.transitions import block_segment, move_job, unblock_segment
from jobs.errors import FarmError
from jobs.lifecycle import JobEvent, JobState, SegmentState
from jobs.reasons import Reason, ReasonKind


def take_flow_event(farm: FarmState, event: FlowEvent) -> None:
    """Take in what the other stages, the store and the stitcher report; jobs that are forgotten are none of it."""
    job = farm.jobs.get(event.job)
    if job is None:
        return
    if isinstance(event, SegmentsReady):
        for segment in event.segments:
            if job.states[segment] is SegmentState.BLOCKED:
                unblock_segment(farm, job, segment)
    elif isinstance(event, MotionGone):
        for segment in range(len(job.states)) if event.segments is None else event.segments:
            if job.states[segment] in {SegmentState.READY, SegmentState.SUSPECT}:
                block_segment(farm, job, segment)
    elif isinstance(event, Broken):
        _broken(farm, job, event)
    elif isinstance(event, SegmentFound):
        found_segment(farm, job, event.segment)
    elif isinstance(event, Stitched):
        if job.state is JobState.STITCHING:
            move_job(farm, job, JobEvent.STITCHED, Reason(ReasonKind.WORK, "the master is joined"))
        else:
            end_finish(farm, job)
    elif isinstance(event, (Delivered, FinishFailed, FinishStopped)):
        _finished(farm, job, event)


def _broken(farm: FarmState, job: JobEntry, event: Broken) -> None:
    if event.is_internal:
        fail_job(farm, job, ReasonKind.INTERNAL, event.error)
        job.hold = None
        if job.finishing and job.state is JobState.FAILED:
            farm.actions.append(StopFinish(job.name))
    elif job.is_dispatching or job.state is JobState.PAUSE_REQUESTED or job.is_held_for_choice:
        fail_job(farm, job, ReasonKind.PERMANENT, event.error, of_what=event.error.where)


def end_finish(farm: FarmState, job: JobEntry) -> None:
    """Nobody works on the job's master any more."""
    job.finishing = False
    farm.changed[job.name] = None


def settle_changed(farm: FarmState) -> None:
    """Look at every job that changed. Settling one changes no other."""
    for name in tuple(farm.changed):
        if name in farm.jobs:
            _settle(farm, farm.jobs[name])


def _finished(farm: FarmState, job: JobEntry, event: Delivered | FinishFailed | FinishStopped) -> None:
    if job.state is JobState.DELIVERING and isinstance(event, Delivered):
        move_job(farm, job, JobEvent.DELIVERED, Reason(ReasonKind.WORK, "the master is delivered"))
    elif job.state in {JobState.STITCHING, JobState.DELIVERING} and not isinstance(event, Delivered):
        stopped = FarmError("it stopped by itself", where=job.name, code="job_failed")
        job.failure = event.error if isinstance(event, FinishFailed) else stopped
        move_job(farm, job, JobEvent.FAILED, Reason.of(ReasonKind.OUTPUT, job.failure))
    end_finish(farm, job)


def _settle(farm: FarmState, job: JobEntry) -> None:
    """Move a job on that has nothing left to wait for."""
    if job.state in {JobState.PAUSE_REQUESTED, JobState.CANCEL_REQUESTED}:
        if not job.attempts and not job.finishing:
            move_job(farm, job, JobEvent.QUIET, Reason(ReasonKind.WORK, "nothing of it runs any more"))
    elif job.is_dispatching:
        _settle_queued(farm, job)


def _settle_queued(farm: FarmState, job: JobEntry) -> None:
    if job.awaits_choice:
        _hold(
            farm, job, Reason(ReasonKind.CHOICE, "one of its takes is rendered once somebody has chosen it")
        )
    elif job.unsettled == 0 and job.request.is_whole:
        move_job(farm, job, JobEvent.DONE, Reason(ReasonKind.WORK, "what it makes lies where it wants it"))
    elif job.unsettled == 0:
        text = "every segment is committed or waived"
        move_job(farm, job, JobEvent.RENDERED, Reason(ReasonKind.WORK, text))
        job.finishing = True
        waived = tuple(n for n, state in enumerate(job.states) if state is SegmentState.WAIVED)
        farm.actions.append(Finish(job.name, waived))
    elif job.attempts:
        return
    elif job.unsettled == job.given_up:
        text = "all that is left of it is in quarantine: retry, requeue, waive or cancel"
        _hold(farm, job, Reason(ReasonKind.POLICY, text))
    elif not job.can_pay(farm.cost_of(job)):
        text = f"{job.spent:.1f} of {job.max_gpu_seconds:.1f} GPU seconds are spent: resume it with more, or cancel"
        _hold(farm, job, Reason(ReasonKind.BUDGET, text))


def _hold(farm: FarmState, job: JobEntry, reason: Reason) -> None:
    """The job waits for a person."""
    move_job(farm, job, JobEvent.HELD, reason)
    job.hold = reason
