"""Pools on several nodes: one is killed hard, one is taken back. Each node is a raylet of its own on this machine."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from statistics import median

import pytest
from driven_pools import DrivenPools, OnlyRender, Tasks
from fake_stages import FakeStages
from small_cluster import QUICK_HEALTH_CHECKS, SmallCluster, small_cluster

from farm.execution.pools.messages import Began, Draining, Finished, Gone, Joined

pytestmark = [
    pytest.mark.ray,
    pytest.mark.chaos,
    pytest.mark.slow,
    pytest.mark.timeout(400),
    # A node that is killed is what these tests are about; Ray says so in a thread of its own.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning"),
]

FRAMES = 50


@pytest.fixture(scope="module")
def nodes() -> Iterator[SmallCluster]:
    with small_cluster(QUICK_HEALTH_CHECKS) as cluster:
        cluster.add_node()
        yield cluster


@pytest.fixture
def start(stages: FakeStages) -> Iterator[Callable[..., DrivenPools]]:
    from farm.execution.pools.ray_pools import RayPools

    started: list[DrivenPools] = []

    def begin(*, seconds: float = 0.0, render: int = 1) -> DrivenPools:
        made_of = FakeStages.in_folder(stages.folder, seconds_per_segment=seconds)
        pools = DrivenPools(RayPools(stages=made_of, cores=render, gpus=0))
        started.append(pools)
        pools.backend.start(OnlyRender(render=render))
        return pools

    yield begin
    for pools in started:
        pools.backend.close()


def node_of(pools: DrivenPools, replica: str) -> str:
    """The node that a replica lives on."""
    found: str = pools.backend._members.find(replica).node
    return found


def test_a_node_that_dies_explains_the_end_and_the_replacement_starts_elsewhere(
    nodes: SmallCluster, start: Callable[..., DrivenPools], tasks: Tasks, capsys: pytest.CaptureFixture[str]
) -> None:
    """Prints how long it takes from the death of the node to `Gone`; the median of five."""
    pools = start(seconds=30.0)
    seen = []
    for count in range(1, 6):
        replica = pools.joined(count=count, within_s=120.0)[-1].replica
        node = node_of(pools, replica)
        running, waiting = (tasks.segment(2 * count + place, frames=FRAMES) for place in (0, 1))
        pools.backend.submit(replica, running)
        pools.backend.submit(replica, waiting)
        pools.until(lambda running=running: Began(running.key) in pools.happened)
        nodes.add_node()
        killed_at = time.monotonic()
        nodes.kill_node(node)
        gone = pools.end(running.key)
        seen.append(pools.when(Gone) - killed_at)
        assert (gone.replica, gone.tasks) == (replica, (running.key, waiting.key))
        assert gone.explained, gone.reason
        assert len(pools.of(Gone)) == count
    with capsys.disabled():
        print(f"\nnode killed to Gone {median(seen):.2f} s", end=" ")
    assert median(seen) < 10.0
    pools.joined(count=6, within_s=120.0)


def test_a_process_that_is_killed_on_a_node_that_lives_is_not_explained(
    nodes: SmallCluster, start: Callable[..., DrivenPools], tasks: Tasks, capsys: pytest.CaptureFixture[str]
) -> None:
    pools = start(seconds=30.0)
    replica = pools.joined(within_s=120.0)[-1].replica
    pools.backend.submit(replica, tasks.segment(0, frames=FRAMES))
    pools.until(lambda: pools.of(Began))
    killed_at = time.monotonic()
    os.kill(pools.pid(replica), signal.SIGKILL)
    gone = pools.end(tasks.segment(0).key)
    assert not gone.explained
    took_s = pools.when(Gone) - killed_at
    with capsys.disabled():
        print(f"\nSIGKILL on another node to Gone {took_s:.2f} s", end=" ")
    assert took_s < 5.0


def test_a_node_that_is_taken_back_is_told_of_and_its_replica_moves(
    nodes: SmallCluster, start: Callable[..., DrivenPools], tasks: Tasks
) -> None:
    pools = start(seconds=8.0)
    replica = pools.joined(within_s=120.0)[-1].replica
    task = tasks.segment(0, frames=FRAMES)
    pools.backend.submit(replica, task)
    nodes.drain_node(node_of(pools, replica), within_s=60.0)
    pools.until(lambda: pools.of(Draining), within_s=10.0)
    assert pools.of(Draining) == [Draining(replica)]
    assert isinstance(pools.end(task.key), Finished), "what it runs may finish"
    nodes.add_node()
    pools.backend.retire(replica)
    moved = pools.joined(count=2, within_s=120.0)[-1]
    assert moved.replica == "render-2"
    pools.quiet(for_s=6.0)
    assert pools.of(Draining) == [Draining(replica)], "it is told once, and the new one stays"
    assert pools.of(Gone) == []
    assert len(pools.of(Joined)) == 2


def test_what_ends_on_a_node_that_drains_is_explained(
    nodes: SmallCluster, start: Callable[..., DrivenPools], tasks: Tasks
) -> None:
    pools = start(seconds=30.0)
    replica = pools.joined(within_s=120.0)[-1].replica
    pools.backend.submit(replica, tasks.segment(0, frames=FRAMES))
    pools.until(lambda: pools.of(Began))
    nodes.drain_node(node_of(pools, replica), within_s=60.0)
    os.kill(pools.pid(replica), signal.SIGKILL)
    assert pools.end(tasks.segment(0).key).explained
