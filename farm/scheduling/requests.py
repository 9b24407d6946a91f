"""Who asks for what: a studio's terms, a job's needs, and the rules of the pool that serves them."""

from __future__ import annotations

from dataclasses import dataclass, field

from farm.scheduling.units import Stage
from jobs.priority import OnQuarantine, Tier
from jobs.scheduling_spec import LEAST_WEIGHT, MOST_WEIGHT
from jobs.spec import Profile

CostKind = tuple[Stage, Profile]
"""Segments of one stage and one profile cost about the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StudioTerms:
    """What a studio may take.

    Attributes:
        weight: Its share of a busy tier, relative to the other studios there.
        max_replicas: Replicas that work for it at once; without a limit when None.
        max_queued_segments: Segments of its live jobs that are not settled yet; a submit beyond is refused.
    """

    weight: float = 1.0
    max_replicas: int | None = None
    max_queued_segments: int | None = None

    def __post_init__(self) -> None:
        _check_weight(self.weight)
        _check_limits(self.max_replicas, self.max_queued_segments)


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRequest:
    """A planned job, as the scheduler needs to know it.

    Attributes:
        job: Its name, unique in the farm.
        subject: What a replica must have loaded to render it.
        segment_count: Its segments are numbered from 0; takes follow one another.
        weight: Its share among the studio's jobs in its tier.
        preview_first: So many segments, spread over the whole job, come before the others.
        max_replicas: Replicas that work for it at once.
        max_gpu_seconds: What it may spend; once it is spent, the job is held.
        max_failed_segments: With more segments given up than this, the job fails whatever `on_quarantine` says.
        on_hold: The job waits for `Resume` from the start.
        motion_merged: False where segments become ready only with `SegmentsReady`.
        committed: Segments that the store holds already.
        quarantined, waived: Segments that an earlier run of the farm left so.
        filled: Those of the waived ones that were given up before.
        spent: What the job spent in earlier runs, in GPU seconds.
        is_restored: An earlier run took it in: a full queue does not turn it away.
    """

    job: str
    studio: str
    subject: str
    segment_count: int
    profile: Profile
    tier: Tier = Tier.NORMAL
    weight: float = 1.0
    preview_first: int = 0
    max_replicas: int | None = None
    max_gpu_seconds: float | None = None
    on_quarantine: OnQuarantine = OnQuarantine.FAIL
    max_failed_segments: int | None = None
    on_hold: bool = False
    motion_merged: bool = True
    committed: frozenset[int] = frozenset()
    quarantined: frozenset[int] = frozenset()
    waived: frozenset[int] = frozenset()
    filled: frozenset[int] = frozenset()
    spent: float = 0.0
    is_restored: bool = False

    def __post_init__(self) -> None:
        _check_weight(self.weight)
        _check_limits(self.max_replicas)
        if self.segment_count < 1 or not 0 <= self.preview_first <= self.segment_count:
            raise ValueError("a job has at least one segment, and no more previews than segments")
        settled = self.committed | self.quarantined | self.waived
        if not all(0 <= index < self.segment_count for index in settled):
            raise ValueError("a settled segment is none of the job's")
        if len(settled) < len(self.committed) + len(self.quarantined) + len(self.waived):
            raise ValueError("a segment is settled in two ways")
        if not self.filled <= self.waived:
            raise ValueError("a segment that is filled is a waived one")


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolRules:
    """How the pool is run. Times are in seconds.

    Attributes:
        stage: The pool's stage; with the profile it names what a segment costs.
        slots: Segments a replica holds at once: one runs, the others wait beside it.
        warm_lead: A replica may serve a job whose subject it has loaded if that job is at most so many segments
            ahead of its fair turn. 0 keeps strictly to the turn.
        first_cost: Seconds a segment of an unknown kind is taken to cost.
        max_suspicion: Replicas that may die while they run a segment before it has to run alone.
        max_failures: Different replicas on which a segment may fail before it is given up.
        max_tries_failed: Failures of a segment on whatever replica before it is given up.
        sick_after: A replica that failed on so many different jobs in a row is shunned.
        cool_down: After which it is forgiven.
        stall: Without progress for so long, a running segment's replica is killed.
        run_timeout: So is one that runs for longer than this.
        grace: What is asked to stop and does not loses its replica after this.
        backoff: First wait after a storage failure; doubles with each one up to sixteen times, with jitter.
        speculate_after: A lease older than so many times the 95th percentile is duplicated on an idle replica.
        speculate_with: Durations that must be known before that.
        restart: A replacement for a replica that was recycled is expected within this.
    """

    stage: Stage = Stage.RENDER
    slots: int = 2
    warm_lead: float = 4.0
    first_cost: float = 10.0
    max_suspicion: int = 2
    max_failures: int = 2
    max_tries_failed: int = 4
    sick_after: int = 3
    cool_down: float = 300.0
    stall: float = 60.0
    run_timeout: float = 900.0
    grace: float = 20.0
    backoff: float = 2.0
    speculate_after: float = 2.0
    speculate_with: int = 8
    restart: float = 180.0

    def __post_init__(self) -> None:
        counts = (self.slots, self.max_suspicion, self.max_failures, self.max_tries_failed, self.sick_after)
        if min(counts) < 1 or self.speculate_with < 1 or self.warm_lead < 0:
            raise ValueError("every count is at least 1, and the warm lead is not negative")
        times = (self.first_cost, self.stall, self.run_timeout, self.grace, self.backoff, self.restart)
        if min(*times, self.cool_down) <= 0 or self.speculate_after < 1:
            raise ValueError("every time is positive, and a lease is not slow before its percentile")


@dataclass(frozen=True, slots=True, kw_only=True)
class FarmRules:
    """The pool's rules and the studios' terms; a studio that is not listed has the default terms.

    Attributes:
        patience: Seconds that a job waits for a store, an input or an output that does not answer before it fails for
            it. Segments wait for the store without a limit, by the pool's `backoff`.
    """

    pool: PoolRules = field(default_factory=PoolRules)
    studios: dict[str, StudioTerms] = field(default_factory=dict)
    default_terms: StudioTerms = field(default_factory=StudioTerms)
    patience: float = 900.0

    def terms(self, studio: str) -> StudioTerms:
        """What the studio may take."""
        return self.studios.get(studio, self.default_terms)


def _check_weight(weight: float) -> None:
    if not LEAST_WEIGHT <= weight <= MOST_WEIGHT:
        raise ValueError(f"a weight is from {LEAST_WEIGHT:g} to {MOST_WEIGHT:g}")


def _check_limits(*limits: int | None) -> None:
    if any(limit is not None and limit < 1 for limit in limits):
        raise ValueError("a limit is at least 1, or None")
