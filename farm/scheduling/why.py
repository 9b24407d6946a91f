"""Why does my job wait? A code for programs and a sentence for people."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum

from farm.scheduling.job import JobEntry, has_room
from farm.scheduling.messages import unknown_job
from farm.scheduling.replicas import ReplicaStatus
from farm.scheduling.state import FarmState
from farm.scheduling.turns import Turn
from jobs.lifecycle import JobState, SegmentState
from jobs.reasons import ReasonKind


class WaitCode(StrEnum):
    """The kinds of answer."""

    OVER = "over"
    RUNNING = "running"  # it does not wait
    FINISHING = "finishing"
    STOPPING = "stopping"
    PAUSED = "paused"
    ON_HOLD = "on_hold"
    BUDGET = "budget"
    QUARANTINE = "quarantine"
    CHOICE = "choice"
    MOTION = "motion"
    BACKOFF = "backoff"
    FRESH_REPLICA = "fresh_replica"
    JOB_LIMIT = "job_limit"
    STUDIO_LIMIT = "studio_limit"
    NO_CAPACITY = "no_capacity"
    TURN = "turn"


@dataclass(frozen=True, slots=True)
class WaitingReason:
    """The answer.

    Attributes:
        position: Jobs whose turn comes before this one's, where it waits for its turn.
    """

    code: WaitCode
    sentence: str
    position: int | None = None


Ahead = Callable[[str], int]
"""How many jobs come before one."""


def why_waiting(farm: FarmState, name: str, *, ahead: Ahead | None = None) -> WaitingReason:
    """Why nothing, or nothing more, of the job runs.

    Args:
        farm: The farm.
        name: The job.
        ahead: Where many are asked for, `ahead_of_each` of the same moment; otherwise it is counted.

    Raises:
        RequestRefused: There is no such job.
    """
    job = farm.jobs.get(name)
    if job is None:
        raise unknown_job(name)
    if job.is_dispatching:
        found = _why_segments_wait(farm, job, ahead or ahead_of_each(farm))
        if job.patience.error is None or found.code is WaitCode.BACKOFF:
            return found
        tried = f"The last segment that was tried came to {job.patience.error.line()}."
        return replace(found, sentence=f"{found.sentence} {tried}")
    return _why_job_waits(job)


def _why_job_waits(job: JobEntry) -> WaitingReason:
    running = f"{len(job.attempts)} segments still run"
    if job.state.is_terminal:
        why = f": {job.failure.line()}" if job.failure else ""
        return WaitingReason(WaitCode.OVER, f"It is {job.state.value}{why}.")
    if job.state is JobState.HELD and job.hold is not None:
        codes = {
            ReasonKind.BUDGET: WaitCode.BUDGET,
            ReasonKind.POLICY: WaitCode.QUARANTINE,
            ReasonKind.CHOICE: WaitCode.CHOICE,
        }
        return WaitingReason(codes.get(job.hold.kind, WaitCode.ON_HOLD), f"It is held: {job.hold}.")
    if job.state is JobState.PAUSE_REQUESTED:
        return WaitingReason(WaitCode.PAUSED, f"It is being paused: {running}.")
    if job.state is JobState.PAUSED:
        return WaitingReason(WaitCode.PAUSED, "It is paused until somebody resumes it.")
    if job.state is JobState.CANCEL_REQUESTED:
        return WaitingReason(WaitCode.STOPPING, f"It is being cancelled: {running}.")
    return WaitingReason(WaitCode.FINISHING, f"Every segment is settled; it is {job.state.value}.")


def _why_segments_wait(farm: FarmState, job: JobEntry, ahead: Ahead) -> WaitingReason:
    if job.waiting:
        return _why_no_replica(farm, job, ahead)
    counts = job.counts
    if counts[SegmentState.LEASED]:
        return WaitingReason(
            WaitCode.RUNNING, f"{counts[SegmentState.LEASED]} segments are with replicas, none waits."
        )
    if job.suspect_to_run(farm.now) is not None:
        if not (job.has_replica_left and farm.studio_of(job).has_replica_left):
            return _why_at_limit(farm, job)
        text = f"{counts[SegmentState.SUSPECT]} segments, over which replicas died, wait to run alone on a fresh one."
        return WaitingReason(WaitCode.FRESH_REPLICA, text)
    delayed = len(job.delayed) + counts[SegmentState.SUSPECT]
    if delayed:
        because = f": {job.patience.error.line()}" if job.patience.error else ""
        text = f"{delayed} segments are tried again after a wait{because}."
        return WaitingReason(WaitCode.BACKOFF, text)
    return WaitingReason(WaitCode.MOTION, f"{counts[SegmentState.BLOCKED]} segments wait for their motion.")


def _why_no_replica(farm: FarmState, job: JobEntry, ahead: Ahead) -> WaitingReason:
    studio = farm.studio_of(job)
    if not job.can_pay(farm.cost_of(job)):
        text = f"It spent {job.spent:.0f} of its {job.max_gpu_seconds:.0f} GPU seconds; what runs needs the rest."
        return WaitingReason(WaitCode.BUDGET, text)
    if not any(replica.status is ReplicaStatus.SERVING for replica in farm.pool):
        return WaitingReason(WaitCode.NO_CAPACITY, f"None of {len(farm.pool)} replicas takes work.")
    if not has_room(job.replicas, job.limit) or not studio.has_room(job.request.tier):
        return _why_at_limit(farm, job)
    before = ahead(job.name)
    text = f"Every replica is busy; {before} jobs come before it in the tiers down to '{job.request.tier}'."
    return WaitingReason(WaitCode.TURN, text, position=before)


def ahead_of_each(farm: FarmState) -> Ahead:
    """How many jobs that want a replica come before one; sorted once, and only where somebody asks."""
    turns: list[Turn] = []

    def ahead(name: str) -> int:
        if not turns:
            turns.extend(sorted(farm.line.turn(job) for job in farm.jobs.values() if farm.may_be_served(job)))
        return bisect_left(turns, farm.line.turn(farm.jobs[name]))

    return ahead


def _why_at_limit(farm: FarmState, job: JobEntry) -> WaitingReason:
    studio, name = farm.studio_of(job), job.request.studio
    if not job.has_replica_left:
        text = f"It has all {job.request.max_replicas} replicas that it may have."
        return WaitingReason(WaitCode.JOB_LIMIT, text)
    if not studio.has_replica_left:
        text = f"{name} has all {studio.terms.max_replicas} replicas that it may have."
        return WaitingReason(WaitCode.STUDIO_LIMIT, text)
    kept = "the last is kept for a segment, over which replicas died, that runs alone on a fresh one."
    if not has_room(job.replicas, job.limit):
        text = f"It may have {job.request.max_replicas} replicas; {kept}"
        return WaitingReason(WaitCode.JOB_LIMIT, text)
    return WaitingReason(
        WaitCode.STUDIO_LIMIT, f"{name} may have {studio.terms.max_replicas} replicas; {kept}"
    )
