"""Segments that are given up, and jobs that fail with them or in spite of them."""

from __future__ import annotations

from farm.scheduling.job_entry import JobEntry
from farm.scheduling.leases import ask_stop
from farm.scheduling.moves import move_job, move_segment, put_back
from farm.scheduling.state import FarmState
from jobs.lifecycle import JobEvent, JobState, SegmentEvent, SegmentState
from jobs.priority import OnQuarantine
from jobs.reasons import Reason, ReasonKind


def give_up(farm: FarmState, job: JobEntry, segment: int, reason: Reason) -> None:
    """Put the segment into quarantine and do with the job what it asked for."""
    move_segment(farm, job, segment, SegmentEvent.QUARANTINED, reason)
    if not job.is_dispatching and job.state is not JobState.PAUSE_REQUESTED:
        return
    request = job.request
    if request.on_quarantine is OnQuarantine.FAIL:
        fail_job(farm, job, Reason(ReasonKind.POLICY, f"segment {segment} was given up: {reason.text}"))
        return
    job.failed.add(segment)
    if request.max_failed_segments is not None and len(job.failed) > request.max_failed_segments:
        text = f"{len(job.failed)} segments were given up, more than {request.max_failed_segments}"
        fail_job(farm, job, Reason(ReasonKind.POLICY, f"{text}; last: {reason.text}"))
    elif request.on_quarantine is OnQuarantine.FILL:
        text = "the job fills the gaps of segments that are given up"
        move_segment(farm, job, segment, SegmentEvent.WAIVED, Reason(ReasonKind.POLICY, text))


def let_go(farm: FarmState, job: JobEntry, reason: Reason) -> None:
    """A job that waits for a person goes on once what it waits for is settled without."""
    if job.state is not JobState.HELD or job.hold is None:
        return
    is_settled = job.unsettled == 0 and job.hold.kind is ReasonKind.BUDGET
    if is_settled or (job.hold.kind is ReasonKind.POLICY and not job.given_up):
        move_job(farm, job, JobEvent.RETRIED, reason)
        job.hold = None


def fail_job(farm: FarmState, job: JobEntry, reason: Reason) -> None:
    """End the job; what runs of it is asked to stop. A job that is being cancelled goes on to be cancelled."""
    if job.state is JobState.CANCEL_REQUESTED or job.state.is_terminal:
        return
    move_job(farm, job, JobEvent.FAILED, reason)
    job.failure = reason
    stop_attempts(farm, job, Reason(ReasonKind.POLICY, "its job failed"))


def stop_attempts(farm: FarmState, job: JobEntry, reason: Reason) -> None:
    """Take all the job's segments back from the replicas, those that run as well."""
    for attempt in tuple(job.attempts.values()):
        if job.states[attempt.segment] is SegmentState.LEASED:
            put_back(farm, job, attempt.segment, SegmentEvent.RELEASED, reason)
        ask_stop(farm, attempt, reason)
