"""What the tests of the pools start from: tasks for small stages, and one embedded cluster for each module."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import fake_stages
import pytest
from fake_stages import FakeStages

# The helpers are plain modules beside the tests, not part of any package.
sys.path.insert(0, str(Path(__file__).parent))

from driven_pools import DrivenPools, OnlyRender, Tasks

from farm.config import PoolSizes
from farm.execution.calls import ReplicaSetup
from infra.cluster import connected_cluster

StartPools = Callable[..., DrivenPools]


@pytest.fixture(scope="module")
def cluster() -> Iterator[None]:
    """Ray in this process, with two logical GPUs and four logical CPUs; nothing of it outlives the module."""
    with connected_cluster(logical_cpus=4, logical_gpus=2):
        # Imported here: Ray reads its environment, which the connection prepares, when it is imported.
        from ray import cloudpickle

        # The small stages are part of no installed package, so they travel to the replicas with their code.
        cloudpickle.register_pickle_by_value(fake_stages)
        yield
        cloudpickle.unregister_pickle_by_value(fake_stages)


@pytest.fixture
def tasks(stages: FakeStages, tmp_path: Path) -> Tasks:
    return Tasks(stages=stages, store=str(tmp_path / "store"))


@pytest.fixture
def start_inline(stages: FakeStages) -> Iterator[StartPools]:
    """Starts pools in this process; keywords are arguments of the pools. They have every stage, wanted or not."""
    from farm.execution.pools.inline_pools import InlinePools

    started: list[DrivenPools] = []

    def start(
        *,
        made_of: FakeStages = stages,
        render: int = 1,
        every_stage: bool = False,
        warm: ReplicaSetup | None = None,
        **arguments: object,
    ) -> DrivenPools:
        pools = DrivenPools(InlinePools(stages=made_of, **arguments))
        started.append(pools)
        pools.backend.start(PoolSizes(render=render), warm=warm)
        return pools

    yield start
    for pools in started:
        pools.backend.close()


@pytest.fixture
def start_ray(stages: FakeStages, cluster: None) -> Iterator[StartPools]:
    """Starts pools on the module's cluster, of renderers only unless every stage is wanted."""
    from farm.execution.pools.ray_pools import RayPools

    started: list[DrivenPools] = []

    def start(
        *,
        made_of: FakeStages = stages,
        render: int = 1,
        every_stage: bool = False,
        warm: ReplicaSetup | None = None,
        gpus: int = 0,
        **arguments: object,
    ) -> DrivenPools:
        pools = DrivenPools(RayPools(stages=made_of, cores=4, gpus=gpus, **arguments))
        started.append(pools)
        sizes = PoolSizes(render=render) if every_stage else OnlyRender(render=render)
        pools.backend.start(sizes, warm=warm)
        return pools

    yield start
    for pools in started:
        pools.backend.close()


@pytest.fixture
def start_pools(request: pytest.FixtureRequest) -> StartPools:
    """Starts pools of the kind that the test is parametrised with."""
    start: StartPools = request.getfixturevalue(f"start_{request.param}")
    return start
