"""The shared farm's scheduler: tell it what happened, carry out what it returns.

    users ──┐                         ┌──► dispatch, recall, stop
    replicas├─► event ──► on(event) ──┼──► kill, retire, recycle
    clock ──┘                         └──► finish

It owns one pool: strict tiers, fair shares between studios and between a studio's jobs, segments in order. It reads
its clock once for each event and draws from its random source alone, so the same events give the same actions.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from types import MappingProxyType

from farm.scheduling.actions import FarmAction
from farm.scheduling.answers import take_answer
from farm.scheduling.commands import grant
from farm.scheduling.dispatching import fill
from farm.scheduling.events import (
    FarmEvent,
    FlowEvent,
    PlaceEvent,
    Requeue,
    Resume,
    Retry,
    SegmentsReady,
    Submit,
    Tick,
    UserEvent,
    WorkEvent,
)
from farm.scheduling.idle import may_free_something, use_idle_replicas
from farm.scheduling.job_entry import JobEntry
from farm.scheduling.places import take_place_event
from farm.scheduling.requests import FarmRules
from farm.scheduling.settling import settle_changed, take_flow_event
from farm.scheduling.solo import end_replicas_that_are_empty
from farm.scheduling.speculation import duplicate_slow_leases
from farm.scheduling.state import FarmState, Moved, new_state
from farm.scheduling.upkeep import take_tick
from farm.scheduling.urgency import make_way, make_way_for_returned
from farm.scheduling.waiting import WaitingReason, why_waiting


class Scheduler:
    """One run of the scheduler. Not for several threads: whoever drives it hands in one event after another."""

    def __init__(
        self,
        rules: FarmRules,
        *,
        clock: Callable[[], float],
        randomness: random.Random,
        epoch: int = 1,
        record: Callable[[Moved], None] | None = None,
    ) -> None:
        """Start with an empty farm.

        Args:
            rules: How the pool is run, and what each studio may take.
            clock: Seconds; never goes backwards.
            randomness: For jitter.
            epoch: Another number for each run, so that answers to an earlier run's attempts are recognised.
            record: Told of every transition: the journal.
        """
        self._clock = clock
        self._farm = new_state(rules, epoch=epoch, randomness=randomness, record=record or _keep_nothing)

    @property
    def state(self) -> FarmState:
        """Everything it knows, to look at; `audit` checks it."""
        return self._farm

    @property
    def jobs(self) -> Mapping[str, JobEntry]:
        """Every job that is not forgotten."""
        return MappingProxyType(self._farm.jobs)

    def on(self, event: FarmEvent) -> list[FarmAction]:
        """Take in what happened.

        Returns:
            What to do about it, in order.

        Raises:
            RequestRefused: A user asked for what cannot be; nothing has changed.
            ValueError: A replica joined under a name that is taken.
        """
        farm = self._farm
        farm.now = self._clock()
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
        self._follow_up(event)
        actions, farm.actions = farm.actions, []
        return actions

    def why_waiting(self, job: str) -> WaitingReason:
        """Why nothing, or nothing more, of the job runs.

        Raises:
            RequestRefused: There is no such job.
        """
        return why_waiting(self._farm, job)

    def _follow_up(self, event: FarmEvent) -> None:
        farm = self._farm
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
    if isinstance(event, Submit):
        return event.request.job
    return event.job if isinstance(event, (Resume, Retry, Requeue, SegmentsReady)) else None


def _keep_nothing(moved: Moved) -> None:
    """A run without a journal."""
