"""Looks at every lease while it is made: nobody goes before the turn but for a loaded subject, and then not too far.

What a lease costs is charged after its transition is told, so the accounts still stand as they did for the choice.
Everything is counted over all jobs; the queues are asked for accounts only, not for who is first.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from farm.scheduling.job import JobEntry
from farm.scheduling.leases import WHY_LEASED
from farm.scheduling.messages import Purpose
from farm.scheduling.scheduler import Scheduler
from farm.scheduling.state import Moved
from farm.scheduling.turns import Turn
from jobs.farm_spec import FarmSpec
from jobs.lifecycle import JobState, SegmentEvent

_ROUNDING = 1e-3
_PURPOSES = {text: purpose for purpose, text in WHY_LEASED.items()}


class TurnAudit:
    """Takes transitions one after another and keeps which leases were out of turn."""

    def __init__(self, scheduler: Scheduler, *, rules: FarmSpec) -> None:
        self._scheduler = scheduler
        self._rules = rules
        self._broken: list[str] = []
        self._passed: Counter[str] = Counter()

    def add(self, moved: Moved) -> None:
        """Check the transition, if it is a lease and not one of a job that may take no other replica."""
        if moved.event is not SegmentEvent.LEASED:
            return
        job = self._scheduler.jobs[moved.subject.partition("/")[0]]
        self._passed.pop(job.name, None)
        purpose = _PURPOSES[moved.reason.text]
        if purpose is Purpose.CAPPED:
            return
        rivals = [
            other
            for other in self._scheduler.jobs.values()
            if other is not job and self._scheduler.may_be_served(other.name)
        ]
        self._broken += [f"{moved.subject} {text}" for text in self._check(job, rivals, purpose)]

    def take(self) -> list[str]:
        """What was found since the last call."""
        broken, self._broken = self._broken, []
        return broken

    def _check(self, job: JobEntry, rivals: list[JobEntry], purpose: Purpose) -> Iterator[str]:
        if any(other.request.tier.rank < job.request.tier.rank for other in rivals):
            yield "was leased before a stricter tier"
        if purpose is Purpose.SOLO:
            return
        lead = max((self._lead(job, other) for other in rivals), default=0.0)
        most = self._rules.pool.warm_lead if purpose is Purpose.WARM else 0.0
        if lead > most + _ROUNDING:
            yield f"was leased {lead:.3f} segments ahead of the turn, of {most:g}"
        if purpose is Purpose.WARM:
            yield from self._check_warm(job, rivals)

    def _check_warm(self, job: JobEntry, rivals: list[JobEntry]) -> Iterator[str]:
        if job.state is JobState.QUEUED:
            yield "was the first of its job and not in turn"
        first = min(rivals, key=self._turn, default=None)
        if first is None or self._turn(first) > self._turn(job):
            return
        if first.state is JobState.QUEUED:
            yield "was leased before a job that nothing was leased of yet"
        self._passed[first.name] += 1
        if self._passed[first.name] > self._rules.pool.warm_lead + 1:
            yield f"was leased before {first.name}, which was passed often enough"

    def _lead(self, job: JobEntry, other: JobEntry) -> float:
        """Segments of the job, by its weight or its studio's, that it was served more than the other."""
        if other.request.tier is not job.request.tier:
            return 0.0
        (_, (studio, *_), (own, *_)), (_, (other_studio, *_), (its, *_)) = map(self._turn, (job, other))
        cost = self._scheduler.cost_of(job.name)
        if other.request.studio == job.request.studio:
            return (own - its) * job.request.weight / cost
        return (studio - other_studio) * self._rules.terms(job.request.studio).weight / cost

    def _turn(self, job: JobEntry) -> Turn:
        return self._scheduler.turn(job.name)
