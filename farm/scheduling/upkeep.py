"""What time alone brings about: patience ends, waits are over, replicas are forgiven."""

from __future__ import annotations

import heapq

from farm.scheduling.attempts import Attempt
from farm.scheduling.places import kill
from farm.scheduling.replicas import ReplicaEntry, ReplicaStatus
from farm.scheduling.settling import end_finish
from farm.scheduling.state import FarmState
from jobs.lifecycle import AttemptState, JobState


def take_tick(farm: FarmState) -> None:
    """Look at every clock. O(attempts on replicas), whatever the number of segments."""
    for attempt in tuple(farm.attempts.values()):
        # One death can end several attempts of the list.
        if attempt.id in farm.attempts:
            _check_patience(farm, attempt)
    for job in tuple(farm.jobs.values()):
        is_late = farm.now - job.stop_at > farm.pool_rules.grace
        if job.state is JobState.CANCEL_REQUESTED and job.finishing and is_late:
            end_finish(farm, job)
    for replica in farm.pool:
        if replica.status is ReplicaStatus.SHUNNED and farm.now >= replica.shunned_until:
            replica.status = ReplicaStatus.SERVING
            replica.failed_jobs.clear()
            farm.pool.file(replica)
    farm.pool.restarts_due = [due for due in farm.pool.restarts_due if farm.now < due]
    _end_delays(farm)


def _check_patience(farm: FarmState, attempt: Attempt) -> None:
    rules, replica = farm.pool_rules, farm.pool[attempt.replica]
    if attempt.state is AttemptState.STOPPING:
        if farm.now - attempt.stop_at > rules.grace:
            kill(farm, replica, f"it did not stop within {rules.grace:g} s")
    elif attempt.state is AttemptState.RUNNING and attempt.started_at is not None:
        if farm.now - attempt.started_at > rules.run_timeout:
            kill(farm, replica, f"a segment ran for more than {rules.run_timeout:g} s", hung=attempt)
        elif farm.now - attempt.progressed_at > rules.stall:
            kill(farm, replica, f"no progress for {rules.stall:g} s", hung=attempt)
    elif _is_deaf(farm, attempt, replica):
        kill(farm, replica, f"it answered no recall for {rules.stall:g} s")


def _is_deaf(farm: FarmState, attempt: Attempt, replica: ReplicaEntry) -> bool:
    """It was asked back and has neither begun nor come back, with nothing before it that has a clock of its own.

    That something begins is told by whoever hands it out; only a recall waits for a word of the replica itself.
    """
    if attempt.state is not AttemptState.DISPATCHED or not attempt.recall_asked:
        return False
    if any(other.state is not AttemptState.DISPATCHED for other in replica.attempts.values()):
        return False
    return farm.now - max(attempt.recall_asked_at, replica.freed_at) > farm.pool_rules.stall


def _end_delays(farm: FarmState) -> None:
    while farm.delayed and farm.delayed[0][0] <= farm.now:
        due, name, segment = heapq.heappop(farm.delayed)
        job = farm.jobs.get(name)
        if job is not None and job.delayed.get(segment) == due:
            del job.delayed[segment]
            job.line.put(segment)
            farm.changed[name] = None
