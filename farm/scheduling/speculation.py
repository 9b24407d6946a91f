"""The tail: when replicas have nothing else to do, the slowest leases are duplicated; the first commit wins."""

from __future__ import annotations

from farm.scheduling.actions import Purpose
from farm.scheduling.attempts import Attempt
from farm.scheduling.idle import spare_replicas
from farm.scheduling.job_entry import has_room
from farm.scheduling.leases import lease
from farm.scheduling.replicas import ReplicaEntry
from farm.scheduling.state import FarmState
from jobs.lifecycle import AttemptState


def duplicate_slow_leases(farm: FarmState) -> None:
    """Copy every lease that is too old, the oldest first, while replicas are idle. Call with nothing left to fill.

    A replica for which something is being recalled is not idle for long: what waits comes before copies.
    """
    spare = spare_replicas(farm)
    if spare == 0:
        return
    slow = sorted(
        (attempt for attempt in farm.attempts.values() if _is_too_slow(farm, attempt)), key=_started
    )
    for attempt in slow:
        replica = next(farm.pool.idle(), None)
        if spare == 0 or replica is None:
            return
        if _may_copy(farm, attempt, replica):
            lease(farm, farm.jobs[attempt.job], attempt.segment, replica, Purpose.SPECULATION)
            spare -= 1


def _is_too_slow(farm: FarmState, attempt: Attempt) -> bool:
    if attempt.state is not AttemptState.RUNNING or attempt.purpose is Purpose.SOLO:
        return False
    rules = farm.pool_rules
    usual = farm.costs.percentile_95(farm.cost_kind(farm.jobs[attempt.job]), at_least=rules.speculate_with)
    return usual is not None and farm.now - _started(attempt) > rules.speculate_after * usual


def _may_copy(farm: FarmState, attempt: Attempt, replica: ReplicaEntry) -> bool:
    job = farm.jobs[attempt.job]
    record = job.record(attempt.segment)
    # What failed or killed before may take this replica too: its turn is soon enough.
    is_clean = record.suspicion == 0 and record.failures == 0
    return (
        attempt.holds_lease
        and is_clean
        and len(record.leases) == 1
        and replica.name != attempt.replica
        and job.is_dispatching
        and has_room(job.replicas, job.limit)
        and farm.studio_of(job).has_room(job.request.tier)
        and job.can_pay(farm.cost_of(job))
    )


def _started(attempt: Attempt) -> float:
    return attempt.started_at if attempt.started_at is not None else attempt.dispatched_at
