"""From an address to a backend that is ready to start replicas, and everything closed again afterwards."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from farm.execution.pools.backend import PoolBackend
from farm.execution.pools.inline_pools import InlinePools
from farm.execution.stages import StageFactory
from farm.execution.whole_work import WholeWork
from infra.cluster import Cluster, connected_cluster
from infra.hardware import Hardware
from infra.settings import FarmSettings
from jobs.errors import ClusterUnavailable

OpenBackend = Callable[[], AbstractContextManager[PoolBackend]]
"""Opens a backend when it is certain that one is needed: starting a cluster takes seconds."""


@contextmanager
def opened_ray(
    *,
    settings: FarmSettings,
    hardware: Hardware,
    stages: StageFactory,
    whole: WholeWork | None = None,
) -> Iterator[PoolBackend]:
    """A backend on the cluster of the settings, or on one that is started for the length of the block.

    Args:
        settings: Of this process.
        hardware: Of this machine.
        stages: What replicas load.
        whole: Does jobs in one piece, where the backend shall have pools for them.

    Raises:
        ClusterUnavailable: There is no cluster, or one without a core.
    """
    with opened_cluster(settings=settings, hardware=hardware) as cluster:
        # Ray reads its environment when it is imported; the connection has prepared it by now.
        from farm.execution.pools.ray_pools import RayPools

        backend = RayPools(stages=stages, cores=int(cluster.cpus), gpus=int(cluster.gpus), whole=whole)
        try:
            yield backend
        finally:
            backend.close()


@contextmanager
def opened_cluster(*, settings: FarmSettings, hardware: Hardware) -> Iterator[Cluster]:
    """The cluster of the settings, or one that is started for the length of the block; it has a core.

    Raises:
        ClusterUnavailable: There is no cluster, or one without a core.
    """
    cluster_of_settings = connected_cluster(
        address=settings.ray_address,
        auth=settings.ray_auth,
        logical_cpus=hardware.cores,
        logical_gpus=len(hardware.gpus),
    )
    with cluster_of_settings as cluster:
        if cluster.cpus < 1:
            raise ClusterUnavailable(
                "the cluster offers no CPU",
                where=cluster.address,
                hint="add a node, or unset FARM_RAY_ADDRESS",
            )
        yield cluster


@contextmanager
def opened_inline(*, stages: StageFactory, whole: WholeWork | None = None) -> Iterator[PoolBackend]:
    """A backend in this process."""
    backend = InlinePools(stages=stages, whole=whole)
    try:
        yield backend
    finally:
        backend.close()
