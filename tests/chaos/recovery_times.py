"""How long it takes from the death of a replica, or of a node, until its segment is dispatched to another replica."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from noted_pools import Hit, NotedPools
from stormy_cluster import StormyCluster, soon
from stormy_farm import StormyFarm

from farm.coordination.coordinator import FarmCoordinator
from jobs.farm_requests import CancelRequest

REPLICAS = 3
# Long enough that nothing ends by itself between the kill and the next dispatch.
SECONDS_PER_SEGMENT = 6.0
GOALS_S = {"replica": 3.0, "node": 10.0}
_PATIENCE_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoveryTimes:
    """Seconds from a kill to the dispatch of each segment that ran there.

    Attributes:
        victim: ``replica`` or ``node``.
    """

    victim: str
    seconds: tuple[float, ...]

    @property
    def median_s(self) -> float:
        """Of all kills."""
        return median(self.seconds)

    @property
    def is_goal_met(self) -> bool:
        """The median is within the goal."""
        return self.median_s <= GOALS_S[self.victim]

    def __str__(self) -> str:
        told = ", ".join(f"{seconds:.1f}" for seconds in sorted(self.seconds))
        return (
            f"{self.victim} killed -> its segment dispatched again: median {self.median_s:.1f} s of {told}"
            f" (goal {GOALS_S[self.victim]:g} s: {'met' if self.is_goal_met else 'MISSED'})"
        )


def recovery_times(cluster: StormyCluster, folder: Path, *, victim: str, count: int = 5) -> RecoveryTimes:
    """Kill busy renderers, or the nodes that they run on, one after another.

    Each round is a job with as many segments as there are renderers, so that the others have a slot left: what is
    measured is how soon the farm knows, and not how long a queue is.
    """
    farm = StormyFarm(folder, replicas=REPLICAS, seconds_per_segment=SECONDS_PER_SEGMENT)
    farm.speak("round.wav", seconds=2.0 * REPLICAS)
    pools = farm.ray_pools()
    seconds = []
    with farm.running(pools) as coordinator:
        for number in range(count):
            _gather(coordinator, pools)
            job = farm.submit(f"round-{number}", speech="round.wav", seed=number)
            seconds.append(_kill_one(cluster, coordinator, pools, victim=victim))
            farm.ask(CancelRequest(job=job))
            while not coordinator.has_ended(job):
                coordinator.step()
    return RecoveryTimes(victim=victim, seconds=tuple(seconds))


def _kill_one(
    cluster: StormyCluster, coordinator: FarmCoordinator, pools: NotedPools, *, victim: str
) -> float:
    struck = _busy(cluster, coordinator, pools)
    node = cluster.node_of(struck.pid)
    assert node is not None
    works = [
        hit.work
        for hit in pools.living()
        if hit.work is not None
        and hit.replica.startswith("render")
        and (hit.pid == struck.pid or (victim == "node" and cluster.node_of(hit.pid) == node))
    ]
    killed_at = time.monotonic()
    if victim == "replica":
        os.kill(struck.pid, signal.SIGKILL)
    else:
        cluster.kill_node(node)
    deadline = killed_at + _PATIENCE_S
    while any(pools.dispatched_again(work, after=killed_at) is None for work in works):
        assert time.monotonic() < deadline, f"not dispatched again within {_PATIENCE_S:g} s: {works}"
        coordinator.step()
    again = [pools.dispatched_again(work, after=killed_at) for work in works]
    if victim == "node":
        cluster.replace_node(node)
    return max(each.at for each in again if each is not None) - killed_at


def _gather(coordinator: FarmCoordinator, pools: NotedPools) -> None:
    """Until every renderer is there, so that each gets one segment."""
    deadline = time.monotonic() + _PATIENCE_S
    while sum(hit.replica.startswith("render") for hit in pools.living()) < REPLICAS:
        assert time.monotonic() < deadline, "a renderer is missing"
        coordinator.step()


def _busy(cluster: StormyCluster, coordinator: FarmCoordinator, pools: NotedPools) -> Hit:
    """A renderer that has been at its segment for a second while all the others work too, some on other nodes."""
    deadline = time.monotonic() + _PATIENCE_S
    while time.monotonic() < deadline:
        coordinator.step()
        busy = [hit for hit in pools.living() if hit.work is not None and hit.replica.startswith("render")]
        begun = [pools.begun_at(hit.work) for hit in busy if hit.work is not None]
        if len(busy) == REPLICAS and all(at is not None and time.monotonic() - at > 1.0 for at in begun):
            neighbours = Counter(cluster.node_of(hit.pid) for hit in busy)
            return min(busy, key=lambda hit: neighbours[cluster.node_of(hit.pid)])
    raise TimeoutError("the replicas are not all at work")


def measured_times(cluster: StormyCluster, folder: Path, *, count: int) -> Iterator[RecoveryTimes]:
    """Both kinds, one after the other."""
    for victim in GOALS_S:
        yield recovery_times(cluster, folder / victim, victim=victim, count=count)
        assert soon(lambda: len(cluster.nodes()) >= REPLICAS)
