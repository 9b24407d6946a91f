"""One job in the scheduler: where its segments stand, and what it holds and has spent."""

from __future__ import annotations

import heapq
from collections import Counter
from dataclasses import dataclass, field

from farm.scheduling.shared.attempts import Attempt
from farm.scheduling.shared.events import AttemptId
from farm.scheduling.shared.requests import JobRequest
from jobs.lifecycle import JobState, SegmentState
from jobs.reasons import Reason


@dataclass(slots=True)
class SegmentRecord:
    """What happened to a segment that is not settled.

    Attributes:
        failed_on: Replicas on which it failed.
        failures: How often it failed.
        suspicion: Replicas that died while they ran it.
        setbacks: Failures that nobody is charged with; each one doubles the wait.
        leases: Attempts that hold its lease: one, and a copy of it at most.
    """

    tries: int = 0
    failed_on: set[str] = field(default_factory=set)
    failures: int = 0
    suspicion: int = 0
    setbacks: int = 0
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
            heapq.heappush(self._heap, self._rank.get(segment, len(self._rank) + segment))

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
        suspects: SUSPECT segments, in the order in which they became it.
        delayed: READY segments that wait for the store to recover, and are not in the line.
        attempts: Those on some replica, stopping ones included.
        replicas: Attempts by replica.
        spent: Seconds of replicas that it pays for.
        failed_segments: Segments given up since it was submitted or retried.
        finishing: Its master is being joined or delivered.
        stop_at: When it was asked to stop being finished.
        hold: Why it is held.
        failure: Why it failed.
    """

    request: JobRequest
    number: int
    state: JobState = JobState.PLANNED
    states: list[SegmentState] = field(default_factory=list)
    counts: Counter[SegmentState] = field(default_factory=Counter)
    line: SegmentLine
    suspects: dict[int, None] = field(default_factory=dict)
    delayed: set[int] = field(default_factory=set)
    records: dict[int, SegmentRecord] = field(default_factory=dict)
    attempts: dict[AttemptId, Attempt] = field(default_factory=dict)
    replicas: Counter[str] = field(default_factory=Counter)
    spent: float = 0.0
    max_gpu_seconds: float | None = None
    failed_segments: int = 0
    finishing: bool = False
    stop_at: float = 0.0
    hold: Reason | None = None
    failure: Reason | None = None

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
    def has_replica_left(self) -> bool:
        """It may take another replica."""
        limit = self.request.max_replicas
        return limit is None or len(self.replicas) < limit

    def can_pay(self, estimate: float) -> bool:
        """Whether one more segment fits what the job may spend, with all that runs counted in."""
        if self.max_gpu_seconds is None:
            return True
        reserved = sum(attempt.estimate for attempt in self.attempts.values() if attempt.holds_lease)
        return self.spent + reserved + estimate <= self.max_gpu_seconds

    def record(self, segment: int) -> SegmentRecord:
        """What happened to the segment so far."""
        return self.records.setdefault(segment, SegmentRecord())

    def next_segment(self) -> int:
        """Take the first segment that waits out of the line; there must be one."""
        while True:
            segment = self.line.take()
            if self.states[segment] is SegmentState.READY and segment not in self.delayed:
                return segment


def spread(wanted: int, count: int) -> tuple[int, ...]:
    """So many of the segments, first and last among them, as far apart as whole numbers allow."""
    if wanted <= 1:
        return tuple(range(wanted))
    return tuple(round(step * (count - 1) / (wanted - 1)) for step in range(wanted))


def new_entry(request: JobRequest, *, number: int) -> JobEntry:
    """The job before its first transition. O(segments)."""
    line = SegmentLine(count=request.segment_count, previews=request.preview_first)
    waits = SegmentState.READY if request.motion_merged else SegmentState.BLOCKED
    states = [waits] * request.segment_count
    for segment in request.committed:
        states[segment] = SegmentState.COMMITTED
    if request.motion_merged:
        for segment in range(request.segment_count):
            if segment not in request.committed:
                line.put(segment)
    return JobEntry(
        request=request,
        number=number,
        states=states,
        counts=Counter(states),
        line=line,
        max_gpu_seconds=request.max_gpu_seconds,
    )
