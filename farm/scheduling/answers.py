"""What the replicas answer. Late, double and unknown answers are met with the only truth there is: the store."""

from __future__ import annotations

from farm.scheduling.failures import charge_job, charge_output, let_go, note_failure, try_later
from farm.scheduling.job import Attempt, JobEntry
from farm.scheduling.leases import ask_stop, drop_lease, end_attempt
from farm.scheduling.messages import (
    AttemptFailed,
    FailureKind,
    Progressed,
    Recalled,
    Started,
    Succeeded,
    WorkEvent,
)
from farm.scheduling.replicas import ReplicaStatus
from farm.scheduling.state import FarmState
from farm.scheduling.transitions import move_attempt, move_segment, put_back
from jobs.lifecycle import AttemptEvent, AttemptState, JobState, SegmentEvent, SegmentState
from jobs.reasons import Reason, ReasonKind

_RIVAL = Reason(ReasonKind.RIVAL, "its segment is settled")

_KINDS = {
    FailureKind.OUTPUT: ReasonKind.OUTPUT,
    FailureKind.PERMANENT: ReasonKind.PERMANENT,
    FailureKind.STORAGE: ReasonKind.STORAGE,
    FailureKind.INFRASTRUCTURE: ReasonKind.INFRASTRUCTURE,
}


def take_answer(farm: FarmState, event: WorkEvent) -> None:
    """Take in what an attempt came to. An answer of an attempt that is over, or of another run, changes nothing.

    Such a late answer may speak of a commit; the caller tells of it with `SegmentFound` once it saw the object.
    """
    attempt = farm.attempts.get(event.attempt)
    if attempt is None:
        return
    if isinstance(event, Started):
        _started(farm, attempt)
    elif isinstance(event, Progressed):
        attempt.progressed_at = farm.now
    elif isinstance(event, Succeeded):
        _succeeded(farm, attempt, seconds=event.seconds)
    elif isinstance(event, AttemptFailed):
        _failed(farm, attempt, event)
    elif attempt.state is AttemptState.STOPPING:
        end_stopped(farm, attempt)
    elif isinstance(event, Recalled):
        _recalled(farm, attempt)
    else:
        # It stopped although nobody asked: whatever stopped it was not the segment.
        _failed(
            farm,
            attempt,
            AttemptFailed(event.attempt, FailureKind.INFRASTRUCTURE, message="it stopped by itself"),
        )


def settle_segment(
    farm: FarmState, job: JobEntry, segment: int, reason: Reason, *, waive: bool = False
) -> None:
    """The segment is committed, or waived; whoever still draws it stops."""
    record = job.records.get(segment)
    rivals = tuple(record.leases.values()) if record else ()
    move_segment(farm, job, segment, SegmentEvent.WAIVED if waive else SegmentEvent.COMMITTED, reason)
    for rival in rivals:
        ask_stop(farm, rival, _RIVAL)


def found_segment(farm: FarmState, job: JobEntry, segment: int) -> None:
    """The store holds the segment. A job that has ended keeps its segments as they were."""
    if job.state.is_terminal or job.states[segment] in {SegmentState.COMMITTED, SegmentState.WAIVED}:
        return
    found = Reason(ReasonKind.STORE, "the store holds it")
    settle_segment(farm, job, segment, found)
    let_go(farm, job, found)


def end_stopped(farm: FarmState, attempt: Attempt) -> None:
    """An attempt that was asked to stop is over, whatever it came to."""
    reason = attempt.stop or _RIVAL
    event = AttemptEvent.SUPERSEDED if reason.kind is ReasonKind.RIVAL else AttemptEvent.CANCELLED
    end_attempt(farm, attempt, event, reason)


def _started(farm: FarmState, attempt: Attempt) -> None:
    attempt.started_at = attempt.progressed_at = farm.now
    farm.pool[attempt.replica].loaded = farm.jobs[attempt.job].request.subject
    if attempt.state is AttemptState.DISPATCHED:
        move_attempt(farm, attempt, AttemptEvent.STARTED, Reason(ReasonKind.TURN, "the replica began it"))


def _succeeded(farm: FarmState, attempt: Attempt, *, seconds: float) -> None:
    job, replica = farm.jobs[attempt.job], farm.pool[attempt.replica]
    farm.learn_cost(job, seconds)
    replica.failed_jobs.clear()
    if attempt.state is AttemptState.STOPPING:
        end_stopped(farm, attempt)
        if job.state is not JobState.CANCEL_REQUESTED:
            found_segment(farm, job, attempt.segment)
        return
    done = Reason(ReasonKind.WORK, "the segment is committed")
    end_attempt(farm, attempt, AttemptEvent.SUCCEEDED, done, seconds=seconds)
    settle_segment(farm, job, attempt.segment, done)


def _failed(farm: FarmState, attempt: Attempt, event: AttemptFailed) -> None:
    job = farm.jobs[attempt.job]
    if attempt.state is AttemptState.STOPPING:
        end_stopped(farm, attempt)
        return
    reason = Reason(_KINDS[event.kind], event.message or f"the attempt failed: {event.kind}")
    is_last = drop_lease(farm, attempt)
    # What the infrastructure or the store broke is given back; what the segment broke is paid for.
    is_charged = event.kind in {FailureKind.OUTPUT, FailureKind.PERMANENT}
    end_attempt(farm, attempt, AttemptEvent.FAILED, reason, seconds=event.seconds if is_charged else None)
    if event.kind is FailureKind.PERMANENT:
        charge_job(farm, attempt, reason)
    elif not is_last:
        # A copy of it is still under way, and may yet commit.
        if event.kind is FailureKind.OUTPUT:
            record = job.record(attempt.segment)
            record.failures += 1
            record.failed_on.add(attempt.replica)
            note_failure(farm, farm.pool[attempt.replica], job)
    elif event.kind is FailureKind.OUTPUT:
        charge_output(farm, attempt, reason)
    else:
        if event.kind is FailureKind.INFRASTRUCTURE:
            note_failure(farm, farm.pool[attempt.replica], job)
        try_later(farm, attempt, reason)


def _recalled(farm: FarmState, attempt: Attempt) -> None:
    job = farm.jobs[attempt.job]
    if attempt.state is not AttemptState.DISPATCHED:
        return
    is_last = drop_lease(farm, attempt)
    goes = farm.pool[attempt.replica].status is not ReplicaStatus.SERVING
    kind = ReasonKind.PREEMPTION if goes else ReasonKind.TURN
    reason = Reason(kind, "the replica is to be emptied" if goes else "another segment comes first")
    end_attempt(farm, attempt, AttemptEvent.RECALLED, reason)
    if is_last:
        put_back(farm, job, attempt.segment, SegmentEvent.RELEASED, reason)
