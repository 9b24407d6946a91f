"""A cluster of several nodes on this machine, each a raylet of its own, whose nodes can be killed and drained."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import fake_stages

from infra.settings import prepare_ray_environment

# The head learns of a dead node after at most two seconds; by default it takes many.
QUICK_HEALTH_CHECKS = {
    "health_check_initial_delay_ms": 500,
    "health_check_period_ms": 500,
    "health_check_timeout_ms": 500,
    "health_check_failure_threshold": 3,
}
DEFAULT_HEALTH_CHECKS: dict[str, int] = {}


class SmallCluster:
    """A head without room for replicas, on which this process lives, and nodes for one replica each."""

    def __init__(self, cluster: Any) -> None:
        self._cluster = cluster
        self._nodes: dict[str, Any] = {}

    def add_node(self) -> str:
        node = self._cluster.add_node(num_cpus=1)
        self._nodes[node.node_id] = node
        return str(node.node_id)

    def kill_node(self, node: str) -> None:
        self._cluster.remove_node(self._nodes.pop(node), allow_graceful=False)

    def drain_node(self, node: str, *, within_s: float) -> None:
        """What a cloud does that wants a machine back."""
        import ray
        from ray.core.generated import autoscaler_pb2

        accepted, why_not = ray._raylet.GcsClient(address=self._cluster.address).drain_node(
            node,
            autoscaler_pb2.DrainNodeReason.Value("DRAIN_NODE_REASON_PREEMPTION"),
            "the machine is wanted back",
            int((time.time() + within_s) * 1000),
        )
        assert accepted, why_not


@contextmanager
def small_cluster(health_checks: dict[str, int]) -> Iterator[SmallCluster]:
    prepare_ray_environment(auth="token", embedded=True)
    import ray
    from ray import cloudpickle
    from ray.cluster_utils import Cluster

    # One Ray for each process: what another test module left is not there any more.
    assert not ray.is_initialized()
    cluster = Cluster(
        initialize_head=True,
        head_node_args={"num_cpus": 0, "include_dashboard": False, "_system_config": health_checks},
    )
    try:
        ray.init(address=cluster.address, log_to_driver=False, logging_level="ERROR")
        cloudpickle.register_pickle_by_value(fake_stages)
        yield SmallCluster(cluster)
    finally:
        cloudpickle.unregister_pickle_by_value(fake_stages)
        ray.shutdown()
        cluster.shutdown()
