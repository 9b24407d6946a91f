"""Who pays for a failure: the infrastructure, the segment after a trial alone, or the job at once."""

from __future__ import annotations

from farm.scheduling.actions import Purpose
from farm.scheduling.attempts import Attempt
from farm.scheduling.giving_up import fail_job, give_up
from farm.scheduling.job_entry import JobEntry
from farm.scheduling.leases import ask_back
from farm.scheduling.moves import move_segment, put_back
from farm.scheduling.replicas import ReplicaEntry, ReplicaStatus
from farm.scheduling.state import FarmState
from jobs.lifecycle import SegmentEvent, SegmentState
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
            replica.status = ReplicaStatus.SHUNNED
            replica.shunned_until = farm.now + farm.pool_rules.cool_down
        else:
            replica.status = ReplicaStatus.RECYCLING
            replica.is_worn = True
        farm.pool.file(replica)
        for attempt in replica.attempts.values():
            ask_back(farm, attempt)
