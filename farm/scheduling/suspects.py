"""Segments that may be what kills replicas: each runs alone on a fresh one, so that it can take no other with it."""

from __future__ import annotations

from farm.scheduling.job import JobEntry
from farm.scheduling.leases import empty, lease
from farm.scheduling.messages import Purpose, Recycle, Retire
from farm.scheduling.replicas import ReplicaEntry, ReplicaStatus
from farm.scheduling.state import FarmState
from jobs.lifecycle import AttemptState
from jobs.priority import Tier


def run_suspect(farm: FarmState) -> bool:
    """Give the next suspect a fresh replica; False where there is none of the two. Call with every job in its place.

    Before whatever is in line, but for stricter tiers: those come first in this too.
    """
    _keep_places(farm)
    suspect = _next_suspect(farm)
    if suspect is None:
        _call_off(farm)
        return False
    replica = farm.pool.fresh()
    if replica is None:
        return False
    lease(farm, *suspect, replica, Purpose.SOLO)
    return True


def make_a_replica_fresh(farm: FarmState) -> None:
    """Have one replica at a time emptied and started anew for the next suspect. Call with nothing left to fill."""
    suspect = _next_suspect(farm)
    if suspect is not None:
        _make_room(farm, suspect[0].request.tier)


def end_replicas_that_are_empty(farm: FarmState) -> None:
    """Replicas that finished what they had before they go."""
    for replica in farm.pool.leaving():
        if replica.attempts:
            continue
        if replica.status is ReplicaStatus.DRAINING:
            farm.pool.remove(replica.name)
            farm.actions.append(Retire(replica.name))
        elif replica.status is ReplicaStatus.RECYCLING:
            farm.pool.remove(replica.name)
            farm.pool.restarts_due.append(farm.now + farm.pool_rules.restart)
            farm.actions.append(Recycle(replica.name))


def _keep_places(farm: FarmState) -> None:
    """Note whose suspects wait: others of their jobs and studios leave one of the replicas they may have to them.

    Otherwise a job or studio at its limit would go on with the replicas it holds for as long as it has other work.
    """
    keeping = {name for name in farm.suspects if _is_due(farm, farm.jobs[name])}
    changed = keeping ^ farm.keeping
    for name in changed & farm.jobs.keys():
        farm.jobs[name].keeps_one = name in keeping
        farm.changed[name] = None
    farm.keeping = keeping
    if changed:
        strictest: dict[str, Tier] = {}
        for job in sorted(map(farm.jobs.__getitem__, keeping), key=lambda job: -job.request.tier.rank):
            strictest[job.request.studio] = job.request.tier
        for name, studio in farm.studios.items():
            studio.keeps_one = strictest.get(name)
            farm.line.place_studio(name, has_room=studio.has_room)
        farm.place_changed()


def _is_due(farm: FarmState, job: JobEntry) -> bool:
    return job.suspect_to_run(farm.now) is not None and job.is_dispatching and job.can_pay(farm.cost_of(job))


def _next_suspect(farm: FarmState) -> tuple[JobEntry, int] | None:
    """The first in turn that nothing but the lack of a fresh replica keeps waiting, unless stricter work waits."""
    waiting = []
    for name in farm.suspects:
        job = farm.jobs[name]
        segment = job.suspect_to_run(farm.now)
        has_room = job.has_replica_left and farm.studio_of(job).has_replica_left
        if segment is not None and has_room and _is_due(farm, job):
            waiting.append((job, segment))
    if not waiting:
        return None
    suspect = min(waiting, key=lambda suspect: farm.line.turn(suspect[0]))
    first = farm.line.first()
    if first is not None and farm.jobs[first].request.tier.rank < suspect[0].request.tier.rank:
        return None
    return suspect


def _make_room(farm: FarmState, tier: Tier) -> None:
    if farm.pool.restarts_due or any(
        replica.status is ReplicaStatus.RECYCLING for replica in farm.pool.leaving()
    ):
        return
    serving = [
        replica
        for replica in farm.pool
        if replica.status in {ReplicaStatus.SERVING, ReplicaStatus.SHUNNED}
        and not replica.is_alone
        and not _has_stricter_work(farm, replica, tier)
    ]
    # A shunned one first: it does nothing else, and being started anew may cure it.
    chosen = min(serving, key=_usefulness, default=None)
    if chosen is not None:
        empty(farm, chosen, ReplicaStatus.RECYCLING)


def _has_stricter_work(farm: FarmState, replica: ReplicaEntry, tier: Tier) -> bool:
    """What waits there would be taken back, come first again, and have the replica kept for it."""
    return any(
        attempt.state is AttemptState.DISPATCHED and farm.jobs[attempt.job].request.tier.rank < tier.rank
        for attempt in replica.attempts.values()
    )


def _usefulness(replica: ReplicaEntry) -> tuple[bool, int, str]:
    return replica.status is ReplicaStatus.SERVING, len(replica.attempts), replica.name


def _call_off(farm: FarmState) -> None:
    for replica in farm.pool.leaving():
        if replica.status is ReplicaStatus.RECYCLING and not replica.is_worn:
            is_shunned = farm.now < replica.shunned_until
            replica.status = ReplicaStatus.SHUNNED if is_shunned else ReplicaStatus.SERVING
            farm.pool.file(replica)
