"""How three studios share the replicas while all three have segments waiting, measured on real processes."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from noted_pools import Done
from stormy_cluster import StormyCluster
from stormy_farm import StormyFarm

from farm.coordination.coordinator import FarmCoordinator
from farm.scheduling.units import Stage
from jobs.farm_spec import FarmSpec, Studio
from jobs.lifecycle import SegmentState

REPLICAS = 3
# Long beside the time that a face takes, so that replicas are what the studios wait for.
SECONDS_PER_SEGMENT = 0.8
_READY = (SegmentState.READY,)
_WAITING = (SegmentState.BLOCKED, SegmentState.READY)


@dataclass(frozen=True, slots=True, kw_only=True)
class ShareReport:
    """Shares of the time that replicas worked, in [0, 1].

    Attributes:
        wanted, measured: By studio.
        segments: That were rendered in that time.
        seconds: From the first dispatch to the moment at which one of the studios had nothing waiting any more.
        starved: Of these, with a studio whose segments all waited for their faces and not for a replica.
    """

    wanted: Mapping[str, float]
    measured: Mapping[str, float]
    segments: int
    seconds: float
    starved: float

    @property
    def error_points(self) -> float:
        """The largest difference, in percentage points."""
        return 100 * max(abs(self.wanted[studio] - self.measured[studio]) for studio in self.wanted)

    @property
    def jain(self) -> float:
        """Jain's index of what each got of what it was due: 1 is perfectly fair, 1 / studios the opposite."""
        got = [self.measured[studio] / self.wanted[studio] for studio in self.wanted]
        return sum(got) ** 2 / (len(got) * sum(each * each for each in got))

    def rows(self) -> list[str]:
        """The table."""
        lines = [
            f"{studio:8s}  due {100 * due:4.1f} %  got {100 * self.measured[studio]:4.1f} %"
            for studio, due in self.wanted.items()
        ]
        told = (
            f"{self.segments} segments in {self.seconds:.0f} s; largest error {self.error_points:.1f} points"
        )
        return [*lines, f"{told}; Jain {self.jain:.4f}; {self.starved:.1f} s without a face to render"]


def run_shares(
    cluster: StormyCluster, folder: Path, *, weights: Mapping[str, float], job_seconds: float = 90.0
) -> ShareReport:
    """Two equal jobs for each studio, three replicas; ends when one of the studios has nothing waiting any more."""
    rules = FarmSpec(studios={name: Studio(weight=weight) for name, weight in weights.items()})
    farm = StormyFarm(folder, replicas=REPLICAS, seconds_per_segment=SECONDS_PER_SEGMENT, rules=rules)
    farm.speak("speech.wav", seconds=job_seconds)
    studios = {}
    for number in (1, 2):
        for studio in weights:
            # They differ, so that nothing of one is found committed by another.
            job = farm.submit(f"{studio}-{number}", studio=studio, speech="speech.wav", seed=number)
            studios[job] = studio
    pools = farm.ray_pools()
    with farm.running(pools) as coordinator:
        while len(coordinator.state.runs) < len(studios):
            coordinator.step()
        starved, before = 0.0, time.monotonic()
        while all(_segments(coordinator, studios, studio, _WAITING) for studio in weights):
            coordinator.step()
            now = time.monotonic()
            if not all(_segments(coordinator, studios, studio, _READY) for studio in weights):
                starved += now - before
            before = now
    renders = [done for done in pools.done if done.work[1].stage is Stage.RENDER]
    total = sum(done.seconds for done in renders)
    got = {
        studio: sum(done.seconds for done in renders if studios[done.work[0]] == studio) / total
        for studio in weights
    }
    due = {studio: weight / sum(weights.values()) for studio, weight in weights.items()}
    return ShareReport(
        wanted=due, measured=got, segments=len(renders), seconds=_span(renders), starved=starved
    )


def _segments(
    coordinator: FarmCoordinator,
    studios: Mapping[str, str],
    studio: str,
    states: tuple[SegmentState, ...],
) -> int:
    """How many segments of the studio are in one of the states."""
    jobs = coordinator.state.scheduler.jobs
    mine = (jobs[name] for name in studios if studios[name] == studio and name in jobs)
    return sum(job.counts[state] for job in mine for state in states)


def _span(renders: list[Done]) -> float:
    return max(done.ended for done in renders) - min(done.began for done in renders)
