"""A node dies while the head of the cluster checks its health as seldom as it does by default."""

from __future__ import annotations

import time

import pytest
from driven_pools import DrivenPools, OnlyRender, Tasks
from fake_stages import FakeStages
from small_cluster import DEFAULT_HEALTH_CHECKS, small_cluster

from farm.execution.pools.messages import Began, Gone

pytestmark = [pytest.mark.ray, pytest.mark.chaos, pytest.mark.slow, pytest.mark.timeout(300)]


def test_a_node_death_that_the_head_has_not_noticed_explains_the_end(
    stages: FakeStages, tasks: Tasks, capsys: pytest.CaptureFixture[str]
) -> None:
    with small_cluster(DEFAULT_HEALTH_CHECKS) as nodes:
        from farm.execution.pools.ray_pools import RayPools

        node = nodes.add_node()
        made_of = FakeStages.in_folder(stages.folder, seconds_per_segment=30.0)
        pools = DrivenPools(RayPools(stages=made_of, cores=1, gpus=0))
        pools.backend.start(OnlyRender(render=1))
        try:
            task = tasks.segment(0, frames=50)
            pools.backend.submit(pools.joined(within_s=120.0)[-1].replica, task)
            pools.until(lambda: Began(task.key) in pools.happened)
            killed_at = time.monotonic()
            nodes.kill_node(node)
            gone = pools.end(task.key)
            with capsys.disabled():
                print(
                    f"\nnode killed to Gone, default health checks: {pools.when(Gone) - killed_at:.2f} s",
                    end=" ",
                )
            assert gone.explained, gone.reason
        finally:
            pools.backend.close()
