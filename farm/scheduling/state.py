"""Everything the scheduler knows, and the few questions that many of its parts ask of it."""

from __future__ import annotations

import heapq
import random
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from farm.scheduling.costs import Budgets, CostTable
from farm.scheduling.failure_policy import Patience
from farm.scheduling.job import Attempt, JobEntry, has_room
from farm.scheduling.messages import AttemptId, FarmAction
from farm.scheduling.replicas import ReplicaPool
from farm.scheduling.turns import FairLine
from jobs.farm_spec import FarmPool, FarmSpec, Studio
from jobs.priority import Tier
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
    """What a studio holds: attempts by replica, and segments of live jobs that are not settled.

    Attributes:
        keeps_one: The strictest tier in which one of its suspects waits for a replica: the last one that the studio may
            take is kept for that, but for work of a stricter tier.
    """

    terms: Studio
    replicas: Counter[str] = field(default_factory=Counter)
    queued_segments: int = 0
    keeps_one: Tier | None = None

    @property
    def has_replica_left(self) -> bool:
        """It may take another replica, if only for a suspect."""
        return has_room(self.replicas, self.terms.max_replicas)

    def limit(self, tier: Tier) -> int | None:
        """Replicas for what need not run alone and is of that tier."""
        most = self.terms.max_replicas
        if most is None or self.keeps_one is None:
            return most
        return most - (self.keeps_one.rank <= tier.rank)

    def has_room(self, tier: Tier) -> bool:
        """It may take another replica for what need not run alone."""
        return has_room(self.replicas, self.limit(tier))


@dataclass(slots=True, kw_only=True)
class FarmState:
    """The shared farm.

    Attributes:
        epoch: Which run of the coordinator this is.
        suspects: Jobs with segments that must run alone, in the order in which they came to it.
        keeping: Jobs of which a suspect waits for a replica.
        budgets: What jobs that may spend only so much have left.
        delayed: When which segment may be tried again; an entry that its job does not have holds no more.
        returned: Segments that came back from lost replicas with the event at hand.
        changed: Jobs whose place in the line may be wrong.
        actions: What the event at hand has led to so far.
        record: Told of every transition.
        numbers: Of attempts; no two of a run of the coordinator have the same, whatever their pool.
    """

    rules: FarmSpec
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
    keeping: set[str] = field(default_factory=set)
    delayed: list[tuple[float, str, int]] = field(default_factory=list)
    budgets: Budgets = field(default_factory=Budgets)
    returned: list[tuple[str, int]] = field(default_factory=list)
    changed: dict[str, None] = field(default_factory=dict)
    actions: list[FarmAction] = field(default_factory=list)
    jobs_seen: int = 0
    numbers: Iterator[int]

    @property
    def pool_rules(self) -> FarmPool:
        """The pool's rules."""
        return self.rules.pool

    def new_patience(self) -> Patience:
        """How long the segments of a job may wait for something that does not answer."""
        first_wait_s = self.pool_rules.backoff
        return Patience(
            limit_s=self.rules.patience,
            first_wait_s=first_wait_s,
            longest_wait_s=16 * first_wait_s,
            clock=lambda: self.now,
        )

    def studio_of(self, job: JobEntry) -> StudioEntry:
        """The job's studio."""
        return self.studios[job.request.studio]

    def cost_of(self, job: JobEntry) -> float:
        """Seconds that one of the job's segments is expected to take."""
        return self.costs.estimate(job.request.profile)

    def wants_replica(self, job: JobEntry) -> bool:
        """It has a segment to lease and may pay for it; whether it may take another replica is another matter."""
        return job.is_dispatching and job.waiting > 0 and job.can_pay(self.cost_of(job))

    def is_open(self, job: JobEntry) -> bool:
        """It wants a replica and its own limit allows one more."""
        return self.wants_replica(job) and has_room(job.replicas, job.limit)

    def may_be_served(self, job: JobEntry) -> bool:
        """It is open, and its studio may take another replica as well."""
        return self.is_open(job) and self.studio_of(job).has_room(job.request.tier)

    def learn_cost(self, job: JobEntry, seconds: float) -> None:
        """Take in what a segment took; who could pay for one may not be able to any more, and the reverse."""
        kind, before = job.request.profile, self.cost_of(job)
        self.costs.add(kind, seconds)
        self.changed.update(dict.fromkeys(self.budgets.between(kind, before, self.costs.estimate(kind))))

    def delay(self, until: float, job: JobEntry, segment: int) -> None:
        """Keep a READY segment out of the line until then."""
        job.delayed[segment] = until
        heapq.heappush(self.delayed, (until, job.name, segment))

    def place(self, job: JobEntry) -> None:
        """Put the job where it belongs in the line, and note what it has left."""
        studio = self.studio_of(job)
        headroom = job.headroom
        if headroom is None or job.state.is_terminal:
            self.budgets.drop(job.name)
        else:
            self.budgets.note(job.name, job.request.profile, headroom)
        self.line.place(
            job,
            is_open=self.is_open(job),
            weight=studio.terms.weight,
            studio_has_room=studio.has_room(job.request.tier),
        )

    def place_changed(self) -> None:
        """Put every job that changed where it belongs in the line."""
        for name in self.changed:
            if name in self.jobs:
                self.place(self.jobs[name])
        self.changed.clear()


def new_state(
    rules: FarmSpec,
    *,
    epoch: int,
    randomness: random.Random,
    record: Callable[[Moved], None],
    numbers: Iterator[int],
) -> FarmState:
    """One pool of an empty farm."""
    return FarmState(
        rules=rules,
        epoch=epoch,
        random=randomness,
        record=record,
        numbers=numbers,
        pool=ReplicaPool(slots=rules.pool.slots),
        costs=CostTable(rules.pool.first_cost),
    )
