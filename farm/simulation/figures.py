"""The figures of a simulation: shares and their fairness, waits, and work that was not needed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from farm.simulation.simulator import Simulator
from farm.simulation.spans import SpanEnd
from jobs.lifecycle import AttemptState, SegmentEvent, SegmentState
from jobs.priority import Tier


@dataclass(frozen=True, slots=True, kw_only=True)
class StudioFigures:
    """One studio. Shares are of replica time, in percent.

    Attributes:
        due: Its weight among all studios' weights.
        contended_share: What it got while every studio had segments waiting; None where that never was.
        share: What it got over the whole run.
        mean_wait: Seconds from a job's submit to its first segment.
        mean_turnaround: Seconds from a job's submit to its end.
    """

    studio: str
    jobs: int
    due: float
    contended_share: float | None
    share: float
    gpu_seconds: float
    mean_wait: float | None
    longest_wait: float | None
    mean_turnaround: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulationFigures:
    """The whole run.

    Attributes:
        ended: Jobs by the state that they ended in.
        jain: Jain's index of contended replica time over weight: 1 is perfectly fair, 1/n one studio having it all.
        contended_for: Seconds in which every studio had segments waiting.
        tries: Tries of segments that began on a replica.
        re_renders: Tries that came to the end of a segment which the store held already.
        cold_ratio: Tries that had to load their subject, over all.
        wait_by_tier: Mean seconds from submit to first segment.
    """

    seconds: float
    events: int
    is_complete: bool
    ended: dict[str, int]
    refused: dict[str, str]
    studios: tuple[StudioFigures, ...]
    jain: float | None
    contended_for: float
    committed: int
    waived: int
    quarantined: int
    tries: int
    re_renders: int
    lost: int
    recalled: int
    cold_loads: int
    cold_ratio: float
    busy: float
    wait_by_tier: dict[str, float]

    def as_record(self) -> dict[str, Any]:
        """Plain data for --json."""
        return asdict(self)


def jain_index(values: Sequence[float]) -> float | None:
    """(sum x)^2 / (n sum x^2), Jain, Chiu and Hawe 1984; None where nobody got anything."""
    squares = sum(value * value for value in values)
    return sum(values) ** 2 / (len(values) * squares) if squares else None


def figures_of(run: Simulator) -> SimulationFigures:
    """What a simulation that is over came to."""
    observer, spans = run.observer, run.pool.spans
    weights = {studio: run.farm.terms(studio).weight for studio in observer.service}
    replica_seconds = run.agenda.now * run.spec.pool.replicas
    ended: dict[str, int] = {}
    for job in run.scheduler.jobs.values():
        ended[job.state.value] = ended.get(job.state.value, 0) + 1
    return SimulationFigures(
        seconds=run.agenda.now,
        events=run.course.events,
        is_complete=run.is_over,
        ended=ended,
        refused=run.course.refused,
        studios=tuple(_studio(run, studio, weights) for studio in observer.service),
        jain=jain_index([observer.contended[studio] / weight for studio, weight in weights.items()]),
        contended_for=observer.contended_for,
        committed=observer.count(SegmentState.COMMITTED),
        waived=observer.count(SegmentState.WAIVED),
        quarantined=observer.totals[SegmentEvent.QUARANTINED],
        tries=run.pool.started,
        re_renders=sum(span.end is SpanEnd.REPEATED for span in spans),
        lost=observer.totals[AttemptState.LOST] + observer.totals[AttemptState.TIMED_OUT],
        recalled=observer.totals[AttemptState.NEVER_ATTEMPTED],
        cold_loads=run.pool.cold_loads,
        cold_ratio=run.pool.cold_loads / max(run.pool.started, 1),
        busy=sum(span.stop - span.start for span in spans) / max(replica_seconds, 1e-9),
        wait_by_tier=_wait_by_tier(run),
    )


def _studio(run: Simulator, studio: str, weights: Mapping[str, float]) -> StudioFigures:
    observer = run.observer
    times = [known for known in observer.times.values() if known.studio == studio]
    waits = [known.started - known.submitted for known in times if known.started is not None]
    turnarounds = [known.ended - known.submitted for known in times if known.ended is not None]
    contended = sum(observer.contended.values())
    return StudioFigures(
        studio=studio,
        jobs=len(times),
        due=100 * weights[studio] / sum(weights.values()),
        contended_share=100 * observer.contended[studio] / contended if contended else None,
        share=100 * observer.service[studio] / max(sum(observer.service.values()), 1e-9),
        gpu_seconds=observer.service[studio],
        mean_wait=_mean(waits),
        longest_wait=max(waits, default=None),
        mean_turnaround=_mean(turnarounds),
    )


def _wait_by_tier(run: Simulator) -> dict[str, float]:
    waits: dict[Tier, list[float]] = {}
    for known in run.observer.times.values():
        if known.started is not None:
            waits.setdefault(known.tier, []).append(known.started - known.submitted)
    return {tier.value: sum(waits[tier]) / len(waits[tier]) for tier in Tier if tier in waits}


def _mean(values: Iterable[float]) -> float | None:
    listed = list(values)
    return sum(listed) / len(listed) if listed else None
