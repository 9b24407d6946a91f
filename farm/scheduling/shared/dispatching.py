"""Fills the replicas that have room, one decision at a time, each in O(log jobs)."""

from __future__ import annotations

from farm.scheduling.shared.actions import Purpose
from farm.scheduling.shared.farm_state import FarmState
from farm.scheduling.shared.job_entry import JobEntry
from farm.scheduling.shared.leases import lease
from farm.scheduling.shared.replicas import Replica
from jobs.lifecycle import JobState

Choice = tuple[JobEntry, Replica, Purpose, float]


def fill(farm: FarmState) -> None:
    """Dispatch until no replica has room or no job wants one."""
    while True:
        farm.place_changed()
        choice = waiting_choice(farm)
        if choice is None:
            return
        job, replica, purpose, lead = choice
        lease(farm, job, job.next_segment(), replica, purpose, lead=lead)


def waiting_choice(farm: FarmState) -> Choice | None:
    """Which job goes to which replica next, and why; None where none can. Call with every job in its place."""
    name = farm.line.first()
    if name is None:
        return _capped_choice(farm)
    job = farm.jobs[name]
    replica = farm.pool.pick(job.request.subject)
    if replica is None:
        return None
    # A job at its limit is not in the line, but one that holds this very replica may come before who is.
    capped = _capped_on(farm, replica)
    if capped is not None and farm.line.turn(capped) < farm.line.turn(job):
        return capped, replica, Purpose.CAPPED, 0.0
    # A job that nothing was leased of yet does not stand back for loaded subjects: it starts at its turn.
    if replica.subject != job.request.subject and job.state is not JobState.QUEUED:
        warm = farm.line.warm(
            job.request.tier, replica.subject, at_most=farm.pool_rules.warm_lead, cost_of=farm.cost_of
        )
        if warm is not None:
            return warm[0], replica, Purpose.WARM, warm[1]
    return job, replica, Purpose.TURN, 0.0


def _capped_choice(farm: FarmState) -> Choice | None:
    """Nobody may take another replica: some may still use a second slot of one that they hold."""
    for replica in farm.pool.shared():
        job = _capped_on(farm, replica)
        if job is not None:
            return job, replica, Purpose.CAPPED, 0.0
    return None


def _capped_on(farm: FarmState, replica: Replica) -> JobEntry | None:
    """Of the jobs that may use this replica only because they or their studios hold it, the first in turn."""
    candidates: dict[str, JobEntry] = {}
    for attempt in replica.attempts.values():
        job = farm.jobs[attempt.job]
        studio_is_full = not farm.studio_of(job).has_replica_left
        if farm.wants_replica(job) and (studio_is_full or not job.has_replica_left):
            candidates[job.name] = job
        if studio_is_full:
            name = _first_of_studio(farm, job.request.studio)
            if name is not None:
                candidates[name] = farm.jobs[name]
    return min(candidates.values(), key=farm.line.turn, default=None)


def _first_of_studio(farm: FarmState, studio: str) -> str | None:
    for tier in farm.line.tiers:
        name = farm.line.first_of(tier, studio)
        if name is not None:
            return name
    return None
