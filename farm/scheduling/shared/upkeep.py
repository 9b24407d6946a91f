"""What time alone brings about: patience ends, waits are over, replicas are forgiven."""

from __future__ import annotations

import heapq

from farm.scheduling.shared.attempts import Attempt
from farm.scheduling.shared.farm_state import FarmState
from farm.scheduling.shared.places import kill
from farm.scheduling.shared.replicas import ReplicaStatus
from farm.scheduling.shared.settling import end_finish
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


def _end_delays(farm: FarmState) -> None:
    while farm.delayed and farm.delayed[0][0] <= farm.now:
        _, name, segment = heapq.heappop(farm.delayed)
        job = farm.jobs.get(name)
        if job is not None and segment in job.delayed:
            job.delayed.discard(segment)
            job.line.put(segment)
            farm.changed[name] = None
