"""What is on the replicas is moved: to one that idles, out of the way of a job that arrives, and twice at the tail."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from farm.scheduling.dispatch import stands_back
from farm.scheduling.job import Attempt, JobEntry, has_room
from farm.scheduling.leases import ask_back, can_be_taken_back, lease
from farm.scheduling.messages import FarmEvent, Progressed, Purpose, Started
from farm.scheduling.replicas import ReplicaEntry
from farm.scheduling.state import FarmState
from farm.scheduling.turns import Turn
from jobs.lifecycle import AttemptState, SegmentState


def use_idle_replicas(farm: FarmState) -> None:
    """Recall one waiting attempt for each replica that idles; back in line it finds that one. Call after `fill`.

    Who is first in turn is first here too. O(attempts on replicas), and only while a replica idles: then nothing
    that may go there is in the line.
    """
    idle = farm.pool.count_idle()
    if idle == 0:
        return
    asked = _being_recalled(farm)
    spare = idle - len(asked)
    if spare <= 0:
        return
    movers = _Movers(farm, asked)
    if not movers.studios:
        return
    behind = [
        attempt
        for attempt in farm.attempts.values()
        if movers.may_move(attempt.job) and _waits_behind_another(farm, attempt)
    ]
    behind.sort(key=lambda attempt: _turn(farm, attempt))
    for attempt in behind:
        if spare == 0:
            return
        if movers.may_leave(attempt):
            ask_back(farm, attempt)
            movers.note(attempt)
            spare -= 1


def may_free_something(farm: FarmState, event: FarmEvent) -> bool:
    """After it a replica may idle, or something may move, that could not before.

    An attempt that makes progress, or that begins as it should, leaves every slot and every account as it was.
    """
    if isinstance(event, Started):
        attempt = farm.attempts.get(event.attempt)
        return attempt is not None and attempt.recall_asked
    return not isinstance(event, Progressed)


def spare_replicas(farm: FarmState) -> int:
    """Idle replicas, less those that recalls which are not answered yet will give something to do."""
    idle = farm.pool.count_idle()
    return max(idle - len(_being_recalled(farm)), 0) if idle else 0


class _Movers:
    """Whose attempts may go to another replica: each studio and each job is looked at once.

    Attributes:
        studios: Those whose limits leave room for it; with none of them nothing moves.
    """

    def __init__(self, farm: FarmState, asked: Iterable[Attempt]) -> None:
        self._farm = farm
        self._jobs_asked: set[str] = set()
        self._studios_asked: set[str] = set()
        self._may: dict[str, bool] = {}
        for attempt in asked:
            self.note(attempt)
        self.studios = {
            name
            for name, studio in farm.studios.items()
            if name not in self._studios_asked
            and _has_room_without_any(studio.replicas, studio.terms.max_replicas)
        }

    def note(self, attempt: Attempt) -> None:
        """It is asked back: what comes of that decides whether a limit leaves room for others."""
        job = self._farm.jobs[attempt.job]
        if job.request.max_replicas is not None or job.max_gpu_seconds is not None:
            self._jobs_asked.add(job.name)
        if self._farm.studio_of(job).terms.max_replicas is not None:
            self._studios_asked.add(job.request.studio)

    def may_move(self, name: str) -> bool:
        """Something of the job may, as things stood at first."""
        known = self._may.get(name)
        if known is None:
            known = self._may[name] = self._has_room(self._farm.jobs[name])
        return known

    def may_leave(self, attempt: Attempt) -> bool:
        """Back in line, its job could take another replica for it; else it would come back to the same one."""
        farm, job = self._farm, self._farm.jobs[attempt.job]
        if job.name in self._jobs_asked or job.request.studio in self._studios_asked:
            return False
        studio = farm.studio_of(job)
        return (
            job.can_pay(farm.cost_of(job) - attempt.estimate)
            and _has_room_without(job.replicas, attempt.replica, job.limit)
            and _has_room_without(studio.replicas, attempt.replica, studio.limit(job.request.tier))
        )

    def _has_room(self, job: JobEntry) -> bool:
        return (
            job.request.studio in self.studios
            and job.name not in self._jobs_asked
            and job.is_dispatching
            and _has_room_without_any(job.replicas, job.limit)
        )


def _being_recalled(farm: FarmState) -> list[Attempt]:
    return [
        attempt
        for attempt in farm.attempts.values()
        if attempt.recall_asked and attempt.state is AttemptState.DISPATCHED
    ]


def _waits_behind_another(farm: FarmState, attempt: Attempt) -> bool:
    return can_be_taken_back(farm, attempt) and next(iter(farm.pool[attempt.replica].attempts)) != attempt.id


def _turn(farm: FarmState, attempt: Attempt) -> tuple[Turn, int]:
    job = farm.jobs[attempt.job]
    return farm.line.turn(job), job.line.rank(attempt.segment)


def _has_room_without(held: Mapping[str, int], replica: str, limit: int | None) -> bool:
    """Once one attempt on the replica is gone, another replica may be taken."""
    return limit is None or len(held) - (held[replica] == 1) < limit


def _has_room_without_any(held: Mapping[str, int], limit: int | None) -> bool:
    """Whichever attempt that is: at the limit it must be the only one on its replica."""
    return limit is None or len(held) - (1 in held.values()) < limit


def make_way(farm: FarmState, job: JobEntry) -> None:
    """Recall attempts that have not begun, for a job that has just come into the line.

    From less strict tiers as many as the job has segments waiting that its limits let it lease; from its own tier one,
    of whoever is furthest ahead of it: the job's later segments take their turns. Nothing is recalled that would come
    first again. O(attempts on replicas), once for each arrival.
    """
    if not farm.may_be_served(job):
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
    usual = farm.costs.percentile_95(farm.jobs[attempt.job].request.profile, at_least=rules.speculate_with)
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
