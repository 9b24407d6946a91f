"""Segments that may be what kills replicas: each runs alone on a fresh one, so that it can take no other with it."""

from __future__ import annotations

from farm.scheduling.shared.actions import Purpose, Recycle, Retire
from farm.scheduling.shared.farm_state import FarmState
from farm.scheduling.shared.job_entry import JobEntry
from farm.scheduling.shared.leases import ask_back, lease
from farm.scheduling.shared.replicas import Replica, ReplicaStatus


def run_suspects(farm: FarmState) -> None:
    """Give suspects the fresh replicas there are, and have one replica at a time made fresh for the others."""
    while (job := _next_suspect(farm)) is not None:
        replica = farm.pool.fresh()
        if replica is None:
            _make_room(farm)
            return
        lease(farm, job, next(iter(job.suspects)), replica, Purpose.SOLO)
    _call_off(farm)


def end_replicas_that_are_empty(farm: FarmState) -> None:
    """Replicas that finished what they had before they go."""
    for replica in tuple(farm.pool):
        if replica.attempts:
            continue
        if replica.status is ReplicaStatus.DRAINING:
            farm.pool.remove(replica.name)
            farm.actions.append(Retire(replica.name))
        elif replica.status is ReplicaStatus.RECYCLING:
            farm.pool.remove(replica.name)
            farm.pool.restarts_due.append(farm.now + farm.pool_rules.restart)
            farm.actions.append(Recycle(replica.name))


def may_run_alone(farm: FarmState, job: JobEntry) -> bool:
    """Nothing but the lack of a fresh replica keeps its suspects waiting."""
    has_room = job.has_replica_left and farm.studio_of(job).has_replica_left
    return job.is_dispatching and bool(job.suspects) and has_room and job.can_pay(farm.cost_of(job))


def _next_suspect(farm: FarmState) -> JobEntry | None:
    jobs = (farm.jobs[name] for name in farm.suspects)
    waiting = [job for job in jobs if may_run_alone(farm, job)]
    return min(waiting, key=lambda job: job.request.tier.rank, default=None)


def _make_room(farm: FarmState) -> None:
    if farm.pool.restarts_due or any(replica.status is ReplicaStatus.RECYCLING for replica in farm.pool):
        return
    serving = [
        replica
        for replica in farm.pool
        if replica.status in {ReplicaStatus.SERVING, ReplicaStatus.SHUNNED} and not replica.is_alone
    ]
    # A shunned one first: it does nothing else, and being started anew may cure it.
    chosen = min(serving, key=_usefulness, default=None)
    if chosen is not None:
        chosen.status = ReplicaStatus.RECYCLING
        farm.pool.file(chosen)
        for attempt in chosen.attempts.values():
            ask_back(farm, attempt)


def _usefulness(replica: Replica) -> tuple[bool, int, str]:
    return replica.status is ReplicaStatus.SERVING, len(replica.attempts), replica.name


def _call_off(farm: FarmState) -> None:
    for replica in farm.pool:
        if replica.status is ReplicaStatus.RECYCLING:
            is_shunned = farm.now < replica.shunned_until
            replica.status = ReplicaStatus.SHUNNED if is_shunned else ReplicaStatus.SERVING
            farm.pool.file(replica)
