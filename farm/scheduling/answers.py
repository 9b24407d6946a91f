"""What the replicas answer. Late, double and unknown answers are met with the only truth there is: the store."""

from __future__ import annotations

from farm.scheduling.failure_policy import is_of_machine
from farm.scheduling.failures import let_go, note_failure, take_failure
from farm.scheduling.job import Attempt, JobEntry
from farm.scheduling.leases import ask_stop, drop_lease, end_attempt
from farm.scheduling.messages import (
    AttemptFailed,
    Progressed,
    Recalled,
    Started,
    Succeeded,
    WorkEvent,
)
from farm.scheduling.replicas import ReplicaStatus
from farm.scheduling.state import FarmState
from farm.scheduling.transitions import move_attempt, move_segment, put_back
from jobs.errors import ReplicaLost
from jobs.farm_error import Retry
from jobs.lifecycle import AttemptEvent, AttemptState, JobState, SegmentEvent, SegmentState
from jobs.reasons import Reason, ReasonKind

_RIVAL = Reason(ReasonKind.RIVAL, "its segment is settled")

_KINDS = {
    Retry.NEVER: ReasonKind.PERMANENT,
    Retry.LATER: ReasonKind.STORAGE,
    Retry.ELSEWHERE: ReasonKind.OUTPUT,
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
        _failed(farm, attempt, AttemptFailed(event.attempt, ReplicaLost("it stopped by itself")))


def settle_segment(
    farm: FarmState, job: JobEntry, segment: int, reason: Reason, *, waive: bool = False
) -> None:
    """The segment is committed, or waived; whoever still draws it stops."""
    record = job.records.get(segment)
    rivals = tuple(record.leases.values()) if record else ()
    move_segment(farm, job, segment, SegmentEvent.WAIVED if waive else SegmentEvent.COMMITTED, reason)
    if not waive:
        job.patience.got_on()
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
    seconds = None
    if farm.jobs[attempt.job].request.is_whole and attempt.started_at is not None:
        # A later try goes on from what it did.
        seconds = farm.now - attempt.started_at
    end_attempt(farm, attempt, event, reason, seconds=seconds)


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
    error = event.error
    of_machine, is_tried_elsewhere = is_of_machine(error), error.retry is Retry.ELSEWHERE
    kind = ReasonKind.INFRASTRUCTURE if of_machine and is_tried_elsewhere else _KINDS[error.retry]
    reason = Reason.of(kind, error)
    is_last = drop_lease(farm, attempt)
    # What a machine or the store broke is given back; what the segment broke is paid for.
    is_paid = not of_machine and error.retry is not Retry.LATER
    end_attempt(farm, attempt, AttemptEvent.FAILED, reason, seconds=event.seconds if is_paid else None)
    if is_tried_elsewhere:
        # The same segment on the same replica again proves nothing new about the segment, but something about the two.
        is_repeat = is_last and attempt.replica in job.record(attempt.segment).failed_on
        note_failure(farm, farm.pool[attempt.replica], job, is_repeat=is_repeat)
    take_failure(farm, attempt, error, reason, is_last=is_last)


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
