"""What becomes of segments that failed, of the replicas that they failed on, and of their jobs."""

from __future__ import annotations

from farm.scheduling.failure_policy import FailureVerdict, is_of_machine
from farm.scheduling.job import Attempt, JobEntry
from farm.scheduling.leases import ask_stop, empty
from farm.scheduling.messages import Purpose
from farm.scheduling.replicas import ReplicaEntry, ReplicaStatus
from farm.scheduling.state import FarmState
from farm.scheduling.transitions import move_job, move_segment, put_back
from jobs.errors import FarmError
from jobs.lifecycle import JobEvent, JobState, SegmentEvent, SegmentState
from jobs.priority import OnQuarantine
from jobs.reasons import Reason, ReasonKind


def take_failure(
    farm: FarmState, attempt: Attempt, error: FarmError, reason: Reason, *, is_last: bool
) -> None:
    """What becomes of the segment of an attempt that has ended.

    Args:
        farm: The farm.
        attempt: The attempt.
        error: What it came to.
        reason: The same, as the attempt's end tells it.
        is_last: No copy of it is under way, which may yet commit.
    """
    job, segment = farm.jobs[attempt.job], attempt.segment
    record = job.record(segment)
    was_alone = attempt.purpose is Purpose.SOLO
    verdict = record.failed(error, replica=attempt.replica, was_alone=was_alone, rules=farm.pool_rules)
    if verdict is FailureVerdict.END:
        _end_job(farm, job, segment, error)
    elif not is_last:
        return
    elif verdict is FailureVerdict.LATER:
        _try_later(farm, job, segment, error, reason)
    elif verdict is FailureVerdict.GIVE_UP:
        kind = ReasonKind.SUSPICION if is_of_machine(error) else ReasonKind.OUTPUT
        give_up(farm, job, segment, record.given_up(), kind)
    elif verdict is FailureVerdict.ALONE:
        if is_of_machine(error):
            reason = Reason(ReasonKind.SUSPICION, record.losses(), error.code, error.retry)
        move_segment(farm, job, segment, SegmentEvent.SUSPECTED, reason)
    else:
        event = SegmentEvent.ATTEMPT_LOST if is_of_machine(error) else SegmentEvent.ATTEMPT_FAILED
        move_segment(farm, job, segment, event, reason)


def _end_job(farm: FarmState, job: JobEntry, segment: int, error: FarmError) -> None:
    move_segment(farm, job, segment, SegmentEvent.GAVE_UP, Reason.of(ReasonKind.PERMANENT, error))
    fail_job(farm, job, ReasonKind.PERMANENT, error, of_what=f"segment {segment}")


def _try_later(farm: FarmState, job: JobEntry, segment: int, error: FarmError, reason: Reason) -> None:
    """Try it again after a while, with jitter. A suspect waits as well: each of its tries costs a good replica."""
    wait_s = job.patience.wait_s(error)
    if wait_s is None:
        _end_job(farm, job, segment, error)
        return
    state = put_back(farm, job, segment, SegmentEvent.ATTEMPT_LOST, reason)
    until = farm.now + wait_s * farm.random.uniform(0.5, 1.5)
    if state is SegmentState.READY:
        farm.delay(until, job, segment)
    elif state is SegmentState.SUSPECT:
        job.suspects[segment] = until


def note_failure(farm: FarmState, replica: ReplicaEntry, job: JobEntry, *, is_repeat: bool = False) -> None:
    """Remember it against the replica, and shun one that fails whatever it is given.

    The last one that serves is started anew instead: shunning it would stop the farm.
    """
    if job.name not in replica.failed_jobs:
        replica.failed_jobs.append(job.name)
    if not is_repeat and len(replica.failed_jobs) < farm.pool_rules.sick_after:
        return
    if replica.status is ReplicaStatus.SERVING:
        if any(other.status is ReplicaStatus.SERVING for other in farm.pool if other is not replica):
            replica.shunned_until = farm.now + farm.pool_rules.cool_down
            empty(farm, replica, ReplicaStatus.SHUNNED)
        else:
            replica.is_worn = True
            empty(farm, replica, ReplicaStatus.RECYCLING)


def give_up(farm: FarmState, job: JobEntry, segment: int, error: FarmError, kind: ReasonKind) -> None:
    """Put the segment into quarantine and do with the job what it asked for."""
    move_segment(farm, job, segment, SegmentEvent.QUARANTINED, Reason.of(kind, error))
    if not job.is_dispatching and job.state is not JobState.PAUSE_REQUESTED:
        return
    request = job.request
    if request.on_quarantine is OnQuarantine.FAIL:
        fail_job(farm, job, ReasonKind.POLICY, error, of_what=f"segment {segment} was given up")
        return
    job.failed.add(segment)
    if request.max_failed_segments is not None and len(job.failed) > request.max_failed_segments:
        text = f"{len(job.failed)} segments were given up, more than {request.max_failed_segments}"
        error.message = f"{text}; last: {error.message}"
        fail_job(farm, job, ReasonKind.POLICY, error)
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


def fail_job(
    farm: FarmState, job: JobEntry, kind: ReasonKind, error: FarmError, *, of_what: str = ""
) -> None:
    """End the job; what runs of it is asked to stop. A job that is being cancelled goes on to be cancelled."""
    if job.state is JobState.CANCEL_REQUESTED or job.state.is_terminal:
        return
    job.failure = error
    move_job(farm, job, JobEvent.FAILED, Reason.of(kind, error, of_what=of_what))
    stop_attempts(farm, job, Reason(ReasonKind.POLICY, "its job failed"))


def stop_attempts(farm: FarmState, job: JobEntry, reason: Reason) -> None:
    """Take all the job's segments back from the replicas, those that run as well."""
    for attempt in tuple(job.attempts.values()):
        if job.states[attempt.segment] is SegmentState.LEASED:
            put_back(farm, job, attempt.segment, SegmentEvent.RELEASED, reason)
        ask_stop(farm, attempt, reason)
