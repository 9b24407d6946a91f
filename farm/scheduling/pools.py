"""The pools of a farm: renderers, and one for each kind of job that is done in one piece.

Each has its own replicas and its own line, and all go by the same shares: what a studio is served by a job in one piece
counts in the other lines too, as long as others wait there.
"""

from __future__ import annotations

import math
import random
from collections import ChainMap, defaultdict
from collections.abc import Callable, Iterator, Mapping
from itertools import count
from types import MappingProxyType
from typing import TypeVar

from farm.scheduling.job import Attempt, JobEntry
from farm.scheduling.messages import (
    AttemptId,
    FarmEvent,
    PlaceEvent,
    ReplicaJoined,
    Restore,
    Submit,
    Tick,
    WorkEvent,
)
from farm.scheduling.state import FarmState, Moved, new_state
from farm.scheduling.units import WHOLE_STAGES, Stage
from jobs.farm_spec import FarmSpec

KeyT = TypeVar("KeyT")
ValueT = TypeVar("ValueT")


class SchedulerPools:
    """The state of each pool."""

    def __init__(
        self, rules: FarmSpec, *, epoch: int, randomness: random.Random, record: Callable[[Moved], None]
    ) -> None:
        numbers = count(1)
        self._farms = {
            stage: new_state(
                _rules_of(stage, rules), epoch=epoch, randomness=randomness, record=record, numbers=numbers
            )
            for stage in (Stage.RENDER, *WHOLE_STAGES)
        }
        self._charged_at = 0.0

    def __iter__(self) -> Iterator[FarmState]:
        return iter(self._farms.values())

    def __getitem__(self, stage: Stage) -> FarmState:
        return self._farms[stage]

    def jobs(self) -> Mapping[str, JobEntry]:
        """Those of all pools, to look at."""
        return _together([farm.jobs for farm in self])

    def attempts(self) -> Mapping[AttemptId, Attempt]:
        """Those of all pools, to look at."""
        return _together([farm.attempts for farm in self])

    def of_job(self, name: str) -> FarmState:
        """The pool that has the job; the renderers, who do not know it either, where none has."""
        return next((farm for farm in self if name in farm.jobs), self._farms[Stage.RENDER])

    def of_event(self, event: FarmEvent) -> tuple[FarmState, ...]:
        """The pools that an event is about."""
        if isinstance(event, Tick):
            return tuple(self)
        if isinstance(event, (Submit, Restore)):
            return (self._farms[event.request.stage],)
        if isinstance(event, ReplicaJoined):
            return (self._farms[event.stage],)
        render = self._farms[Stage.RENDER]
        if isinstance(event, PlaceEvent):
            return (next((farm for farm in self if event.replica in farm.pool), render),)
        if isinstance(event, WorkEvent):
            return (next((farm for farm in self if event.attempt in farm.attempts), render),)
        return (self.of_job(event.job),)

    def share(self, now: float) -> None:
        """Charge what jobs in one piece were worked on since the last call in the lines of the other pools."""
        for stage in WHOLE_STAGES:
            farm, served = self._farms[stage], defaultdict[str, float](float)
            for attempt in farm.attempts.values():
                served[farm.jobs[attempt.job].request.studio] += self._served(attempt, now)
            for other in self:
                for studio, seconds in served.items():
                    if other is not farm and seconds:
                        other.line.charge_studio(studio, seconds)
        self._charged_at = now

    def _served(self, attempt: Attempt, now: float) -> float:
        return 0.0 if attempt.started_at is None else now - max(attempt.started_at, self._charged_at)


def _together(parts: list[dict[KeyT, ValueT]]) -> Mapping[KeyT, ValueT]:
    """Mappings as one. Mostly there are renders alone, of thousands of jobs, which are looked at in every turn."""
    first, *others = parts
    more = [part for part in others if part]
    return ChainMap(first, *more) if more else MappingProxyType(first)


def _rules_of(stage: Stage, rules: FarmSpec) -> FarmSpec:
    """Of a job in one piece nothing waits on a replica behind another, and no copy of it runs: both would write."""
    if stage not in WHOLE_STAGES:
        return rules
    pool = rules.pool.model_copy(
        update={
            "slots": 1,
            "warm_lead": 0.0,
            "stall": rules.pool.whole_stall,
            "run_timeout": math.inf,
            "speculate_after": math.inf,
        }
    )
    return rules.model_copy(update={"pool": pool})
