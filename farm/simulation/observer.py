"""Watches a simulation: who waited how long, and who was served how much while everybody wanted to be."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from farm.scheduling.scheduler import Scheduler
from farm.scheduling.state import Moved
from jobs.lifecycle import AttemptEvent, AttemptState, JobState, SegmentEvent, SegmentState
from jobs.priority import Tier


@dataclass(slots=True)
class JobTimes:
    """When a job was submitted, began its first segment, and ended; seconds of the virtual clock."""

    studio: str
    tier: Tier
    submitted: float
    started: float | None = None
    ended: float | None = None


class Observer:
    """Takes every transition and looks at the farm after every event.

    Attributes:
        times: By job.
        service: Replica seconds by studio, all of them.
        contended: Replica seconds by studio while every studio had segments waiting.
        contended_for: How long that was.
        totals: How often each thing happened to segments and attempts.
    """

    def __init__(self, scheduler: Scheduler, *, studios: Sequence[str]) -> None:
        self._scheduler = scheduler
        self._studios = studios
        self._last_look = 0.0
        self._is_contended = False
        self.times: dict[str, JobTimes] = {}
        self.service: dict[str, float] = dict.fromkeys(studios, 0.0)
        self.contended: dict[str, float] = dict.fromkeys(studios, 0.0)
        self.contended_for = 0.0
        self.totals: Counter[SegmentEvent | AttemptState] = Counter()

    def take(self, moved: Moved) -> None:
        """Note what the transition tells."""
        if isinstance(moved.after, JobState):
            self._take_job(moved)
        elif isinstance(moved.event, SegmentEvent) and moved.after is not moved.before:
            self.totals[moved.event] += 1
        elif moved.event is AttemptEvent.STARTED:
            times = self.times[moved.subject.partition("/")[0]]
            times.started = moved.at if times.started is None else times.started
        elif isinstance(moved.after, AttemptState):
            self.totals[moved.after] += 1

    def look(self, now: float) -> None:
        """Credit the time since the last look to whoever had replicas in it."""
        elapsed, self._last_look = now - self._last_look, now
        if elapsed > 0:
            running = Counter(
                self._scheduler.jobs[attempt.job].request.studio
                for attempt in self._scheduler.attempts.values()
                if attempt.state is AttemptState.RUNNING
            )
            for studio, count in running.items():
                self.service[studio] = self.service.get(studio, 0.0) + count * elapsed
                if self._is_contended:
                    self.contended[studio] = self.contended.get(studio, 0.0) + count * elapsed
            self.contended_for += elapsed * self._is_contended
        wanting = {
            job.request.studio for job in self._scheduler.jobs.values() if job.is_dispatching and job.waiting
        }
        self._is_contended = wanting.issuperset(self._studios)

    def _take_job(self, moved: Moved) -> None:
        request = self._scheduler.jobs[moved.subject].request
        times = self.times.setdefault(
            moved.subject, JobTimes(request.studio, request.tier, submitted=moved.at)
        )
        if isinstance(moved.after, JobState) and moved.after.is_terminal:
            times.ended = moved.at

    def count(self, state: SegmentState) -> int:
        """Segments of all jobs in a state now."""
        return sum(job.counts[state] for job in self._scheduler.jobs.values())
