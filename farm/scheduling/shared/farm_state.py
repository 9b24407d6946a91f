"""Everything the scheduler knows, and the few questions that many of its parts ask of it."""

from __future__ import annotations

import heapq
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from farm.scheduling.shared.actions import FarmAction
from farm.scheduling.shared.attempts import Attempt
from farm.scheduling.shared.costs import CostTable
from farm.scheduling.shared.events import AttemptId
from farm.scheduling.shared.job_entry import JobEntry
from farm.scheduling.shared.line import FairLine
from farm.scheduling.shared.replicas import ReplicaPool
from farm.scheduling.shared.requests import CostKind, FarmRules, PoolRules, StudioTerms
from jobs.reasons import Reason
from jobs.states import Event, State


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """One transition, for the journal.

    Attributes:
        subject: What moved: ``job``, ``job/segment`` or ``job/segment#try``.
    """

    at: float
    subject: str
    before: State
    event: Event
    after: State
    reason: Reason


@dataclass(slots=True)
class StudioEntry:
    """What a studio holds: attempts by replica, and segments of live jobs that are not settled."""

    terms: StudioTerms
    replicas: Counter[str] = field(default_factory=Counter)
    queued_segments: int = 0

    @property
    def has_replica_left(self) -> bool:
        """It may take another replica."""
        limit = self.terms.max_replicas
        return limit is None or len(self.replicas) < limit


@dataclass(slots=True, kw_only=True)
class FarmState:
    """The shared farm.

    Attributes:
        epoch: Which run of the coordinator this is.
        suspects: Jobs with segments that must run alone, in the order in which they came to it.
        budgeted: Jobs that may spend only so much.
        delayed: When which segment may be tried again.
        changed: Jobs whose place in the line may be wrong.
        actions: What the event at hand has led to so far.
        record: Told of every transition.
    """

    rules: FarmRules
    epoch: int
    random: random.Random
    record: Callable[[Moved], None]
    now: float = 0.0
    jobs: dict[str, JobEntry] = field(default_factory=dict)
    studios: dict[str, StudioEntry] = field(default_factory=dict)
    attempts: dict[AttemptId, Attempt] = field(default_factory=dict)
    pool: ReplicaPool
    costs: CostTable
    line: FairLine = field(default_factory=FairLine)
    suspects: dict[str, None] = field(default_factory=dict)
    delayed: list[tuple[float, str, int]] = field(default_factory=list)
    budgeted: dict[str, None] = field(default_factory=dict)
    changed: dict[str, None] = field(default_factory=dict)
    actions: list[FarmAction] = field(default_factory=list)
    jobs_seen: int = 0
    attempts_made: int = 0

    @property
    def pool_rules(self) -> PoolRules:
        """The pool's rules."""
        return self.rules.pool

    def studio_of(self, job: JobEntry) -> StudioEntry:
        """The job's studio."""
        return self.studios[job.request.studio]

    def cost_kind(self, job: JobEntry) -> CostKind:
        """Which segments cost about what the job's do."""
        return self.rules.pool.stage, job.request.profile

    def cost_of(self, job: JobEntry) -> float:
        """Seconds that one of the job's segments is expected to take."""
        return self.costs.estimate(self.cost_kind(job))

    def wants_replica(self, job: JobEntry) -> bool:
        """It has a segment to lease and may pay for it; whether it may take another replica is another matter."""
        return job.is_dispatching and job.waiting > 0 and job.can_pay(self.cost_of(job))

    def is_open(self, job: JobEntry) -> bool:
        """It wants a replica and its own limit allows one more."""
        return self.wants_replica(job) and job.has_replica_left

    def learn_cost(self, job: JobEntry, seconds: float) -> None:
        """Take in what a segment took; whoever counts its seconds may now afford more, or less."""
        self.costs.add(self.cost_kind(job), seconds)
        self.changed.update(self.budgeted)

    def delay(self, until: float, job: JobEntry, segment: int) -> None:
        """Keep a READY segment out of the line until then."""
        job.delayed.add(segment)
        heapq.heappush(self.delayed, (until, job.name, segment))

    def place(self, job: JobEntry) -> None:
        """Put the job where it belongs in the line."""
        studio = self.studio_of(job)
        self.line.place(
            job,
            is_open=self.is_open(job),
            weight=studio.terms.weight,
            studio_has_room=studio.has_replica_left,
        )

    def place_changed(self) -> None:
        """Put every job that changed where it belongs in the line."""
        for name in self.changed:
            if name in self.jobs:
                self.place(self.jobs[name])
        self.changed.clear()


def new_state(
    rules: FarmRules, *, epoch: int, randomness: random.Random, record: Callable[[Moved], None]
) -> FarmState:
    """An empty farm."""
    return FarmState(
        rules=rules,
        epoch=epoch,
        random=randomness,
        record=record,
        pool=ReplicaPool(slots=rules.pool.slots),
        costs=CostTable(rules.pool.first_cost),
    )
