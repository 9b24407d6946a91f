"""The shared farm's scheduler: tell it what happened, carry out what it returns.

    users ──┐                         ┌──► dispatch, recall, stop
    replicas├─► event ──► on(event) ──┼──► kill, retire, recycle
    clock ──┘                         └──► finish

It owns the renderers, and the pools of jobs in one piece: strict tiers, fair shares between studios and between a
studio's jobs, segments in order. It reads its clock once for each event and draws from its random source alone, so the
same events give the same actions.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping

from farm.scheduling.answers import take_answer
from farm.scheduling.audit import audit
from farm.scheduling.commands import grant, requeued_of
from farm.scheduling.dispatch import fill
from farm.scheduling.job import Attempt, JobEntry
from farm.scheduling.liveness import take_place_event, take_tick
from farm.scheduling.messages import (
    AttemptId,
    FarmAction,
    FarmEvent,
    FlowEvent,
    PlaceEvent,
    Requeue,
    Restore,
    SegmentsReady,
    Submit,
    Tick,
    UserEvent,
    WorkEvent,
)
from farm.scheduling.pools import SchedulerPools
from farm.scheduling.rebalance import (
    duplicate_slow_leases,
    make_way,
    make_way_for_returned,
    may_free_something,
    use_idle_replicas,
)
from farm.scheduling.settling import settle_changed, take_flow_event
from farm.scheduling.state import FarmState, Moved
from farm.scheduling.suspects import end_replicas_that_are_empty
from farm.scheduling.turns import Turn
from farm.scheduling.units import Stage
from farm.scheduling.why import Ahead, WaitingReason, ahead_of_each, why_waiting
from jobs.farm_requests import ResumeRequest, RetryRequest
from jobs.farm_spec import FarmSpec


class Scheduler:
    """One run of the scheduler. Not for several threads: whoever drives it hands in one event after another."""

    def __init__(
        self,
        rules: FarmSpec,
        *,
        clock: Callable[[], float],
        randomness: random.Random,
        epoch: int = 1,
        record: Callable[[Moved], None] | None = None,
    ) -> None:
        """Start with an empty farm.

        Args:
            rules: The farm as it is written: how the pool is run, and what each studio may take.
            clock: Seconds; never goes backwards.
            randomness: For jitter.
            epoch: Another number for each run, so that answers to an earlier run's attempts are recognised.
            record: Told of every transition: the journal.
        """
        self._clock = clock
        self._pools = SchedulerPools(
            rules, epoch=epoch, randomness=randomness, record=record or _keep_nothing
        )
        self._farm = self._pools[Stage.RENDER]

    @property
    def state(self) -> FarmState:
        """All of the renderers, for tests that look inside or break it; whoever drives it asks the methods below."""
        return self._farm

    @property
    def jobs(self) -> Mapping[str, JobEntry]:
        """Every job that is not forgotten, to look at."""
        return self._pools.jobs()

    @property
    def attempts(self) -> Mapping[AttemptId, Attempt]:
        """Every attempt that is on a replica, to look at."""
        return self._pools.attempts()

    @property
    def replica_count(self) -> int:
        """Renderers that have joined and are not gone."""
        return len(self._farm.pool)

    def on(self, event: FarmEvent) -> list[FarmAction]:
        """Take in what happened.

        Returns:
            What to do about it, in order.

        Raises:
            RequestRefused: A user asked for what cannot be; nothing has changed.
            ValueError: A replica joined under a name that is taken.
        """
        actions, now = list[FarmAction](), self._clock()
        if isinstance(event, Tick):
            self._pools.share(now)
        for farm in self._pools.of_event(event):
            farm.now = now
            _take_in(farm, event)
            _follow_up(farm, event)
            actions += farm.actions
            farm.actions = []
        return actions

    def why_waiting(self, job: str, *, ahead: Ahead | None = None) -> WaitingReason:
        """Why nothing, or nothing more, of the job runs.

        Args:
            job: Its name.
            ahead: Where many are asked for, `ahead_of_each` of the same moment.

        Raises:
            RequestRefused: There is no such job.
        """
        return why_waiting(self._pools.of_job(job), job, ahead=ahead)

    def ahead_of_each(self) -> Ahead:
        """How many jobs that want a replica of the same pool come before one, as things stand."""
        told = {id(farm): ahead_of_each(farm) for farm in self._pools}
        return lambda job: told[id(self._pools.of_job(job))](job)

    def turn(self, job: str) -> Turn:
        """Sorts jobs by whose turn comes first."""
        farm = self._pools.of_job(job)
        return farm.line.turn(farm.jobs[job])

    def cost_of(self, job: str) -> float:
        """Seconds that one of the job's segments is expected to take."""
        farm = self._pools.of_job(job)
        return farm.cost_of(farm.jobs[job])

    def has_measured(self, job: str) -> bool:
        """What the job's segments are expected to take is made of segments of its kind that were rendered."""
        return self._farm.costs.has_measured(self._farm.jobs[job].request.profile)

    def may_be_served(self, job: str) -> bool:
        """The job wants a replica, and its own limit and its studio's allow one more."""
        farm = self._pools.of_job(job)
        return farm.may_be_served(farm.jobs[job])

    def requeued_of(self, job: str, segments: Iterable[int]) -> tuple[int, ...]:
        """Those of the segments that a `Requeue` would put back in line, each once."""
        return requeued_of(self.jobs[job], segments)

    def violations(self) -> list[str]:
        """What does not hold that must hold between any two events, in words; costs O(segments)."""
        return [violation for farm in self._pools for violation in audit(farm)]


def _take_in(farm: FarmState, event: FarmEvent) -> None:
    if isinstance(event, UserEvent):
        grant(farm, event)
    elif isinstance(event, WorkEvent):
        take_answer(farm, event)
    elif isinstance(event, PlaceEvent):
        take_place_event(farm, event)
    elif isinstance(event, FlowEvent):
        take_flow_event(farm, event)
    else:
        take_tick(farm)


def _follow_up(farm: FarmState, event: FarmEvent) -> None:
    settle_changed(farm)
    fill(farm)
    for name, segment in farm.returned:
        make_way_for_returned(farm, farm.jobs[name], segment)
    farm.returned.clear()
    arrived = _arrived(event)
    if arrived is not None and arrived in farm.jobs:
        make_way(farm, farm.jobs[arrived])
    if may_free_something(farm, event):
        use_idle_replicas(farm)
    if isinstance(event, Tick):
        duplicate_slow_leases(farm)
        fill(farm)
    end_replicas_that_are_empty(farm)


def _arrived(event: FarmEvent) -> str | None:
    if isinstance(event, (Submit, Restore)):
        return event.request.job
    return event.job if isinstance(event, (ResumeRequest, RetryRequest, Requeue, SegmentsReady)) else None


def _keep_nothing(moved: Moved) -> None:
    """A run without a journal."""
