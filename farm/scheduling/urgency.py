"""A job that arrives when every slot is taken need not wait for what only waits itself: that is taken back."""

from __future__ import annotations

from farm.scheduling.attempts import Attempt
from farm.scheduling.dispatching import stands_back
from farm.scheduling.job_entry import JobEntry
from farm.scheduling.leases import ask_back, can_be_taken_back
from farm.scheduling.state import FarmState
from jobs.lifecycle import SegmentState


def make_way(farm: FarmState, job: JobEntry) -> None:
    """Recall attempts that have not begun, for a job that has just come into the line.

    From less strict tiers as many as the job has segments waiting that its limits let it lease; from its own tier one,
    of whoever is furthest ahead of it: the job's later segments take their turns. Nothing is recalled that would come
    first again. O(attempts on replicas), once for each arrival.
    """
    if not farm.is_open(job) or not farm.studio_of(job).has_room(job.request.tier):
        return
    if farm.pool.pick(job.request.subject) is not None:
        return
    behind = [attempt for attempt in farm.attempts.values() if can_be_taken_back(farm, attempt)]
    behind.sort(key=lambda attempt: farm.line.turn(farm.jobs[attempt.job]), reverse=True)
    left = _payable(farm, job)
    # Replicas that the job and its studio hold, and will.
    held, held_by_studio = set(job.replicas), set(farm.studio_of(job).replicas)
    for attempt in behind:
        if left == 0:
            return
        if not (
            _fits(held, attempt.replica, job.limit)
            and _fits(held_by_studio, attempt.replica, farm.studio_of(job).limit(job.request.tier))
            and _would_get_slot(farm, attempt, job)
        ):
            continue
        ask_back(farm, attempt)
        held.add(attempt.replica)
        held_by_studio.add(attempt.replica)
        left = left - 1 if farm.jobs[attempt.job].request.tier is not job.request.tier else 0


def _payable(farm: FarmState, job: JobEntry) -> int:
    """Segments of the job that wait and that it can pay for."""
    headroom = job.headroom
    return job.waiting if headroom is None else min(job.waiting, int(headroom / farm.cost_of(job)))


def _fits(held: set[str], replica: str, limit: int | None) -> bool:
    return limit is None or replica in held or len(held) < limit


def _would_get_slot(farm: FarmState, attempt: Attempt, job: JobEntry) -> bool:
    """The slot of the attempt would go to the job: the holder yields, and no loaded subject passes the job."""
    holder = farm.jobs[attempt.job]
    if holder is job or not farm.line.would_yield(holder, job, cost=attempt.estimate):
        return False
    if holder.request.tier is not job.request.tier:
        return True
    if farm.line.first() != job.name:
        return False
    *_, last = (other for other in farm.pool[attempt.replica].attempts.values() if other is not attempt)
    subject = farm.jobs[last.job].request.subject
    if subject == job.request.subject or not stands_back(farm, job):
        return True
    most, cost = farm.pool_rules.warm_lead, farm.cost_of(holder)
    lead = farm.line.lead(holder, cost=cost) - attempt.estimate / cost
    if holder.request.subject == subject and lead <= most:
        return False
    return farm.line.warm(job.request.tier, subject, at_most=most, cost_of=farm.cost_of) is None


def make_way_for_returned(farm: FarmState, job: JobEntry, segment: int) -> None:
    """Recall what of the same job waits beside a running segment and comes later than one that a replica lost.

    No share changes: the job gives one slot for another. Without it the segment would wait for a slot to become free,
    and the master with it.
    """
    if job.states[segment] is not SegmentState.READY or not farm.wants_replica(job):
        return
    rank = job.line.rank(segment)
    later = [
        attempt
        for attempt in job.attempts.values()
        if can_be_taken_back(farm, attempt) and job.line.rank(attempt.segment) > rank
    ]
    if later:
        ask_back(farm, max(later, key=lambda attempt: job.line.rank(attempt.segment)))
