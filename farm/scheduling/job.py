"""One job in the scheduler: where its segments stand, their tries on replicas, and what it holds and has spent."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Sized
from dataclasses import dataclass, field

from farm.scheduling.failure_policy import Patience, UnitRecord
from farm.scheduling.job_request import JobRequest
from farm.scheduling.messages import AttemptId, Purpose
from jobs.errors import FarmError
from jobs.lifecycle import AttemptState, JobState, SegmentState
from jobs.reasons import Reason, ReasonKind


@dataclass(slots=True, kw_only=True)
class Attempt:
    """What is known of a try.

    Attributes:
        holds_lease: Its segment is leased to it; an attempt that is stopping only holds its slot.
        estimate: Seconds that were charged at the dispatch.
        stop: Why it was asked to stop.
        recall_asked: It was asked back; it may have begun before the question arrived.
    """

    id: AttemptId
    job: str
    segment: int
    replica: str
    try_number: int
    purpose: Purpose
    estimate: float
    dispatched_at: float
    state: AttemptState = AttemptState.DISPATCHED
    holds_lease: bool = True
    started_at: float | None = None
    progressed_at: float = 0.0
    stop: Reason | None = None
    stop_at: float = 0.0
    recall_asked: bool = False
    recall_asked_at: float = 0.0

    @property
    def is_copy(self) -> bool:
        """A second lease of a segment, on purpose."""
        return self.purpose is Purpose.SPECULATION


@dataclass(slots=True)
class SegmentEntry(UnitRecord):
    """What happened to a segment that is not settled.

    Attributes:
        leases: Attempts that hold its lease: one, and a copy of it at most.
    """

    tries: int = 0
    leases: dict[AttemptId, Attempt] = field(default_factory=dict)


class SegmentLine:
    """Segments of one job that wait, previews first, then in order. A heap: O(log n) to take and to put back."""

    def __init__(self, *, count: int, previews: int) -> None:
        self._previews = spread(previews, count)
        self._rank = {segment: rank for rank, segment in enumerate(self._previews)}
        self._heap: list[int] = []
        self._inside: set[int] = set()

    def __contains__(self, segment: int) -> bool:
        return segment in self._inside

    def put(self, segment: int) -> None:
        """Put the segment in its place; once is enough."""
        if segment not in self._inside:
            self._inside.add(segment)
            heapq.heappush(self._heap, self.rank(segment))

    def rank(self, segment: int) -> int:
        """Sorts the job's segments by which comes first."""
        return self._rank.get(segment, len(self._rank) + segment)

    def take(self) -> int:
        """The first segment; the caller checks that it still waits."""
        rank = heapq.heappop(self._heap)
        segment = self._previews[rank] if rank < len(self._rank) else rank - len(self._rank)
        self._inside.remove(segment)
        return segment


@dataclass(slots=True, kw_only=True)
class JobEntry:
    """A job and its accounts.

    Attributes:
        states: State of every segment.
        counts: How many segments are in each state.
        line: READY segments; may still hold some that left that state.
        suspects: SUSPECT segments, in the order in which they became it, and when each may run.
        delayed: READY segments that wait for something that does not answer, and until when; they are not in the line.
        patience: How long they may.
        attempts: Those on some replica, stopping ones included.
        replicas: Attempts by replica.
        passed: Leases for loaded subjects that went before it while it was first in line, since it was last served.
        spent: Seconds of replicas that it pays for.
        keeps_one: One of its suspects waits for a replica: the last one that it may take is kept for that.
        failed: Segments that were given up since it was submitted or retried, and that nobody put back in line.
        finishing: Its master is being joined or delivered.
        stop_at: When it was asked to stop being finished.
        hold: Why it is held.
        awaits_choice: Nobody has chosen the take that is rendered: no segment is leased before.
        failure: Why it failed.
    """

    request: JobRequest
    number: int
    state: JobState = JobState.PLANNED
    states: list[SegmentState] = field(default_factory=list)
    counts: Counter[SegmentState] = field(default_factory=Counter)
    line: SegmentLine
    suspects: dict[int, float] = field(default_factory=dict)
    delayed: dict[int, float] = field(default_factory=dict)
    patience: Patience
    records: dict[int, SegmentEntry] = field(default_factory=dict)
    attempts: dict[AttemptId, Attempt] = field(default_factory=dict)
    replicas: Counter[str] = field(default_factory=Counter)
    passed: int = 0
    spent: float = 0.0
    max_gpu_seconds: float | None = None
    keeps_one: bool = False
    failed: set[int] = field(default_factory=set)
    finishing: bool = False
    stop_at: float = 0.0
    hold: Reason | None = None
    awaits_choice: bool = False
    failure: FarmError | None = None

    @property
    def name(self) -> str:
        """The job's name."""
        return self.request.job

    @property
    def waiting(self) -> int:
        """Segments that could be leased now."""
        return self.counts[SegmentState.READY] - len(self.delayed)

    @property
    def unsettled(self) -> int:
        """Segments that are neither committed nor waived."""
        settled = self.counts[SegmentState.COMMITTED] + self.counts[SegmentState.WAIVED]
        return len(self.states) - settled

    @property
    def given_up(self) -> int:
        """Segments that only a person or the job's policy can move."""
        return self.counts[SegmentState.QUARANTINED] + self.counts[SegmentState.FAILED]

    @property
    def is_dispatching(self) -> bool:
        """Its segments may be leased."""
        return self.state in {JobState.QUEUED, JobState.RUNNING}

    @property
    def is_held_for_choice(self) -> bool:
        """It waits for nothing else than somebody who chooses a take."""
        return self.state is JobState.HELD and self.hold is not None and self.hold.kind is ReasonKind.CHOICE

    @property
    def has_replica_left(self) -> bool:
        """It may take another replica, if only for a suspect."""
        return has_room(self.replicas, self.request.max_replicas)

    @property
    def limit(self) -> int | None:
        """Replicas for what need not run alone; a suspect that waits has one of them kept for it."""
        most = self.request.max_replicas
        return None if most is None else most - self.keeps_one

    @property
    def headroom(self) -> float | None:
        """Seconds that it may spend and that nothing of it needs; None without a limit."""
        if self.max_gpu_seconds is None:
            return None
        reserved = sum(attempt.estimate for attempt in self.attempts.values() if attempt.holds_lease)
        return self.max_gpu_seconds - self.spent - reserved

    def can_pay(self, estimate: float) -> bool:
        """Whether one more segment fits what the job may spend, with all that runs counted in."""
        headroom = self.headroom
        return headroom is None or estimate <= headroom

    def record(self, segment: int) -> SegmentEntry:
        """What happened to the segment so far."""
        return self.records.setdefault(segment, SegmentEntry())

    def suspect_to_run(self, now: float) -> int | None:
        """The first suspect that waits for nothing but a fresh replica."""
        return next((segment for segment, after in self.suspects.items() if after <= now), None)

    def next_segment(self) -> int:
        """Take the first segment that waits out of the line; there must be one."""
        while True:
            segment = self.line.take()
            if self.states[segment] is SegmentState.READY and segment not in self.delayed:
                return segment


def has_room(held: Sized, limit: int | None) -> bool:
    """Who holds these replicas may take another one."""
    return limit is None or len(held) < limit


def may_stay(held: Sized, limit: int | None) -> bool:
    """Who holds these replicas may go on with each of them."""
    return limit is None or len(held) <= limit


def spread(wanted: int, count: int) -> tuple[int, ...]:
    """So many of the segments, first and last among them, as far apart as whole numbers allow."""
    if wanted <= 1:
        return tuple(range(wanted))
    return tuple(round(step * (count - 1) / (wanted - 1)) for step in range(wanted))


def new_entry(request: JobRequest, *, number: int, patience: Patience) -> JobEntry:
    """The job before its first transition. O(segments)."""
    line = SegmentLine(count=request.segment_count, previews=request.preview_first)
    waits = SegmentState.READY if request.motion_merged else SegmentState.BLOCKED
    states = [waits] * request.segment_count
    for state, segments in (
        (SegmentState.COMMITTED, request.committed),
        (SegmentState.QUARANTINED, request.quarantined),
        (SegmentState.WAIVED, request.waived),
    ):
        for segment in segments:
            states[segment] = state
    for segment, state in enumerate(states):
        if state is SegmentState.READY:
            line.put(segment)
    return JobEntry(
        request=request,
        number=number,
        states=states,
        counts=Counter(states),
        line=line,
        patience=patience,
        max_gpu_seconds=request.max_gpu_seconds,
        spent=request.spent,
        hold=request.hold,
        awaits_choice=request.awaits_choice,
        failed=set(request.quarantined | request.filled),
    )
