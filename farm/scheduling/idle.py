"""A replica that has nothing to do takes what waits behind another's segment, where its job may have it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from farm.scheduling.attempts import Attempt
from farm.scheduling.events import FarmEvent, Progressed, Started
from farm.scheduling.job_entry import JobEntry
from farm.scheduling.leases import ask_back, can_be_taken_back
from farm.scheduling.line import Turn
from farm.scheduling.state import FarmState
from jobs.lifecycle import AttemptState


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
