"""Who pays for a failure: the infrastructure, the segment after a trial alone, or the job at once."""

from __future__ import annotations

from farm.scheduling.job import Attempt, JobEntry
from farm.scheduling.leases import ask_stop, empty
from farm.scheduling.messages import Purpose
from farm.scheduling.replicas import ReplicaEntry, ReplicaStatus
from farm.scheduling.state import FarmState
from farm.scheduling.transitions import move_job, move_segment, put_back
from jobs.lifecycle import JobEvent, JobState, SegmentEvent, SegmentState
from jobs.priority import OnQuarantine
from jobs.reasons import Reason, ReasonKind


def suspect(farm: FarmState, attempt: Attempt, reason: Reason) -> None:
    """A replica died, or hung, while it ran the segment, and nothing else explains it."""
    job = farm.jobs[attempt.job]
    record = job.record(attempt.segment)
    record.suspicion += 1
    count = f"{record.suspicion} replicas were lost while they ran it; last: {reason.text}"
    because = Reason(ReasonKind.SUSPICION, count)
    if attempt.purpose is Purpose.SOLO:
        give_up(
            farm, job, attempt.segment, Reason(ReasonKind.SUSPICION, f"alone on a fresh replica: {count}")
        )
    elif record.suspicion >= farm.pool_rules.max_suspicion:
        move_segment(farm, job, attempt.segment, SegmentEvent.SUSPECTED, because)
    else:
        move_segment(farm, job, attempt.segment, SegmentEvent.ATTEMPT_LOST, reason)


def charge_output(farm: FarmState, attempt: Attempt, reason: Reason) -> None:
    """The stage failed on the segment, or its result did not pass the check."""
    job, replica = farm.jobs[attempt.job], farm.pool[attempt.replica]
    record = job.record(attempt.segment)
    record.failures += 1
    # The same segment on the same replica again proves nothing new about the segment, but something about the two.
    is_repeat = attempt.replica in record.failed_on
    record.failed_on.add(attempt.replica)
    note_failure(farm, replica, job, is_repeat=is_repeat)
    if (
        len(record.failed_on) >= farm.pool_rules.max_failures
        or record.failures >= farm.pool_rules.max_tries_failed
    ):
        times = f"failed {record.failures} times on {len(record.failed_on)} replicas; last: {reason.text}"
        give_up(farm, job, attempt.segment, Reason(ReasonKind.OUTPUT, times))
    else:
        put_back(farm, job, attempt.segment, SegmentEvent.ATTEMPT_FAILED, reason)


def charge_job(farm: FarmState, attempt: Attempt, reason: Reason) -> None:
    """Trying again cannot help: the job fails now."""
    job = farm.jobs[attempt.job]
    move_segment(farm, job, attempt.segment, SegmentEvent.GAVE_UP, reason)
    fail_job(farm, job, Reason(ReasonKind.PERMANENT, f"segment {attempt.segment}: {reason.text}"))


def try_later(farm: FarmState, attempt: Attempt, reason: Reason) -> None:
    """The store or the infrastructure failed it: try again after a while that doubles, with jitter.

    A suspect waits as well: each of its tries may cost a good replica, which is started anew for it.
    """
    job = farm.jobs[attempt.job]
    record = job.record(attempt.segment)
    state = put_back(farm, job, attempt.segment, SegmentEvent.ATTEMPT_LOST, reason)
    doubled = 2.0 ** min(record.setbacks, 4)
    record.setbacks += 1
    until = farm.now + farm.pool_rules.backoff * doubled * farm.random.uniform(0.5, 1.5)
    if state is SegmentState.READY:
        farm.delay(until, job, attempt.segment)
    elif state is SegmentState.SUSPECT:
        job.suspects[attempt.segment] = until


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
