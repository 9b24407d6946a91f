"""The part of the audit that looks at replicas: nothing is held twice, and none idles while somebody waits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from farm.scheduling.audit_work import check_work
from farm.scheduling.replicas import ReplicaStatus
from farm.scheduling.state import FarmState


def check_places(farm: FarmState) -> Iterator[str]:
    """Every violation, in words."""
    yield from _check_attempts(farm)
    yield from _check_replicas(farm)
    yield from _check_suspects(farm)
    yield from check_work(farm)


def _check_attempts(farm: FarmState) -> Iterator[str]:
    by_job = {number: attempt for job in farm.jobs.values() for number, attempt in job.attempts.items()}
    by_replica = {number: attempt for replica in farm.pool for number, attempt in replica.attempts.items()}
    if not farm.attempts == by_job == by_replica:
        yield f"{len(farm.attempts)} attempts; jobs hold {len(by_job)}, replicas {len(by_replica)}"
    for job in farm.jobs.values():
        held = Counter(attempt.replica for attempt in job.attempts.values())
        if job.replicas != held:
            yield f"{job.name}: replicas counted {job.replicas}, held {held}"


def _check_replicas(farm: FarmState) -> Iterator[str]:
    for replica in farm.pool:
        if len(replica.attempts) > farm.pool_rules.slots:
            yield f"{replica.name}: holds {len(replica.attempts)} of {farm.pool_rules.slots} segments"
        if replica.is_alone and len(replica.attempts) != 1:
            yield f"{replica.name}: a suspect is not alone"
        if not farm.pool.is_filed_right(replica):
            yield f"{replica.name}: is not found where it belongs"
        if replica.status in {ReplicaStatus.DRAINING, ReplicaStatus.RECYCLING} and not replica.attempts:
            yield f"{replica.name}: is empty and still {replica.status.value}"


def _check_suspects(farm: FarmState) -> Iterator[str]:
    if set(farm.suspects) != {job.name for job in farm.jobs.values() if job.suspects}:
        yield "the jobs with suspects are not those listed"
