"""Fills the replicas that have room, one decision at a time, each in O(log jobs)."""

from __future__ import annotations

from farm.scheduling.job import JobEntry, has_room, may_stay
from farm.scheduling.leases import lease
from farm.scheduling.messages import Purpose
from farm.scheduling.replicas import ReplicaEntry
from farm.scheduling.state import FarmState
from farm.scheduling.suspects import make_a_replica_fresh, run_suspect
from jobs.lifecycle import JobState

Choice = tuple[JobEntry, ReplicaEntry, Purpose]


def fill(farm: FarmState) -> None:
    """Dispatch until no replica has room or no job wants one; then see to a fresh replica for what must run alone."""
    while True:
        farm.place_changed()
        if run_suspect(farm):
            continue
        choice = waiting_choice(farm)
        if choice is None:
            break
        job, replica, purpose = choice
        if purpose is Purpose.WARM and (first := farm.line.first()) is not None:
            farm.jobs[first].passed += 1
        lease(farm, job, job.next_segment(), replica, purpose)
    make_a_replica_fresh(farm)


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
        return capped, replica, Purpose.CAPPED
    if replica.subject != job.request.subject and stands_back(farm, job):
        warm = farm.line.warm(
            job.request.tier, replica.subject, at_most=farm.pool_rules.warm_lead, cost_of=farm.cost_of
        )
        if warm is not None:
            return warm, replica, Purpose.WARM
    return job, replica, Purpose.TURN


def stands_back(farm: FarmState, job: JobEntry) -> bool:
    """The job whose turn it is may be passed by one whose subject is loaded.

    Not before its first lease, and all who pass it together get no more than one of them might: it would be passed
    for ever by many of which none is far ahead.
    """
    return job.state is not JobState.QUEUED and job.passed <= farm.pool_rules.warm_lead


def _capped_choice(farm: FarmState) -> Choice | None:
    """Nobody may take another replica: some may still use a second slot of one that they hold."""
    for replica in farm.pool.shared():
        job = _capped_on(farm, replica)
        if job is not None:
            return job, replica, Purpose.CAPPED
    return None


def _capped_on(farm: FarmState, replica: ReplicaEntry) -> JobEntry | None:
    """Of the jobs that may use this replica only because they or their studios hold it, the first in turn."""
    candidates: dict[str, JobEntry] = {}
    for attempt in replica.attempts.values():
        job = farm.jobs[attempt.job]
        if farm.wants_replica(job) and _may_only_go_on(farm, job):
            candidates[job.name] = job
        if farm.studio_of(job).terms.max_replicas is not None:
            name = _first_of_full_studio(farm, job.request.studio)
            if name is not None:
                candidates[name] = farm.jobs[name]
    return min(candidates.values(), key=farm.line.turn, default=None)


def _may_only_go_on(farm: FarmState, job: JobEntry) -> bool:
    """The job may use the replicas that it holds, and no other.

    With one kept for a suspect it may hold one too many: that is not filled again, so that the suspect has its place.
    """
    studio, tier = farm.studio_of(job), job.request.tier
    if not may_stay(job.replicas, job.limit) or not may_stay(studio.replicas, studio.limit(tier)):
        return False
    return not (has_room(job.replicas, job.limit) and studio.has_room(tier))


def _first_of_full_studio(farm: FarmState, name: str) -> str | None:
    studio = farm.studios[name]
    for tier in farm.line.tiers:
        if studio.has_room(tier) or not may_stay(studio.replicas, studio.limit(tier)):
            continue
        first = farm.line.first_of(tier, name)
        if first is not None:
            return first
    return None
