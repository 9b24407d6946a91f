"""The part of the audit that looks for work left undone: a replica has room, and something could use it.

It counts from attempts and states alone and asks none of the parts that choose.
"""

from __future__ import annotations

from collections.abc import Iterator

from farm.scheduling.actions import Purpose
from farm.scheduling.attempts import Attempt
from farm.scheduling.job_entry import JobEntry
from farm.scheduling.replicas import ReplicaEntry, ReplicaStatus
from farm.scheduling.state import FarmState
from jobs.lifecycle import AttemptState, JobState, SegmentState


def check_work(farm: FarmState) -> Iterator[str]:
    """Every violation, in words."""
    serving = [replica for replica in farm.pool if replica.status is ReplicaStatus.SERVING]
    for replica in serving:
        has_room = len(replica.attempts) < farm.pool_rules.slots
        if has_room and not any(attempt.purpose is Purpose.SOLO for attempt in replica.attempts.values()):
            yield from _waits_for(farm, replica)
    idle = [replica for replica in serving if not replica.attempts]
    waiting = [job.name for job in farm.jobs.values() if _has_suspect_to_run(farm, job)]
    if waiting and any(replica.served == 0 for replica in idle):
        yield f"a fresh replica is there, and suspects of {waiting} wait"
    if idle:
        yield from _waits_behind(farm, idle[0])


def _waits_for(farm: FarmState, replica: ReplicaEntry) -> Iterator[str]:
    for job in farm.jobs.values():
        ready = {
            segment for segment, state in enumerate(job.states) if state is SegmentState.READY
        } - job.delayed.keys()
        if ready and _may_lease(farm, job) and _may_take(farm, job, replica.name):
            yield f"{replica.name} has room, and {job.name} waits"


def _waits_behind(farm: FarmState, idle: ReplicaEntry) -> Iterator[str]:
    """Nothing that could go to an idle replica waits behind another attempt, unless a recall is not answered yet."""
    waiting = [attempt for attempt in farm.attempts.values() if attempt.state is AttemptState.DISPATCHED]
    if any(attempt.recall_asked for attempt in waiting):
        return
    for attempt in waiting:
        job = farm.jobs[attempt.job]
        _, *others = farm.pool[attempt.replica].attempts.values()
        if (
            attempt in others
            and _may_lease(farm, job, instead_of=attempt)
            and _may_take(farm, job, idle.name, instead_of=attempt)
        ):
            yield f"{idle.name}: idles, and {job.name}/{attempt.segment} waits on {attempt.replica}"


def _has_suspect_to_run(farm: FarmState, job: JobEntry) -> bool:
    has_suspect = any(after <= farm.now for after in job.suspects.values())
    # Of a replica that nobody holds: the name is none that is taken.
    return has_suspect and _may_lease(farm, job) and _may_take(farm, job, "", alone=True)


def _may_lease(
    farm: FarmState, job: JobEntry, *, instead_of: Attempt | None = None, slack: float = -1e-6
) -> bool:
    if job.state not in {JobState.QUEUED, JobState.RUNNING}:
        return False
    leased = [
        other.estimate for other in job.attempts.values() if other.holds_lease and other is not instead_of
    ]
    limit = job.max_gpu_seconds
    # Adding in another order may differ in the last digits: only what clearly fits counts.
    return limit is None or job.spent + sum(leased) + farm.cost_of(job) < limit + slack


def _may_take(
    farm: FarmState, job: JobEntry, name: str, *, instead_of: Attempt | None = None, alone: bool = False
) -> bool:
    """The replica is one that the job and its studio hold, or may take.

    What need not run alone leaves one place to a suspect of its job, or of its studio and no less strict.
    """
    studio = job.request.studio
    others = [attempt for attempt in farm.attempts.values() if attempt is not instead_of]
    by_job = {attempt.replica for attempt in others if attempt.job == job.name}
    by_studio = {attempt.replica for attempt in others if farm.jobs[attempt.job].request.studio == studio}
    before = [] if alone else [other for other in farm.jobs.values() if _waits_alone(farm, other)]
    kept = job in before
    kept_by_studio = any(
        other.request.studio == studio and other.request.tier.rank <= job.request.tier.rank
        for other in before
    )
    limits = (
        (by_job, job.request.max_replicas, kept),
        (by_studio, farm.studios[studio].terms.max_replicas, kept_by_studio),
    )
    return all(limit is None or len(held | {name}) + kept <= limit for held, limit, kept in limits)


def _waits_alone(farm: FarmState, job: JobEntry) -> bool:
    return any(after <= farm.now for after in job.suspects.values()) and _may_lease(farm, job, slack=1e-6)
