"""The Ray cluster a process works on: one that runs already, or a small one that starts inside the process.

What this module starts it also stops. Ray's own chatter, dashboard and log forwarding stay off: the farm has
its own progress, and lines from workers would tear through it.
"""

from __future__ import annotations

import logging
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from infra.settings import RayAuth, prepare_ray_environment
from jobs.errors import ClusterUnavailable, SettingsError

if TYPE_CHECKING:
    from types import ModuleType

NAMESPACE = "farm"
CONNECT_TIMEOUT_S = 5.0

# Motion and poses are all that travels between stages, a few megabytes at a time.
OBJECT_STORE_BYTES = 256 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """A connected cluster.

    Attributes:
        address: Address of its head; a local one for an embedded cluster.
        is_embedded: Whether it was started here and ends with this connection.
        ray_version: Version of Ray in this process.
        nodes: Machines that are alive.
        cpus: Logical CPUs of all machines.
        gpus: Logical GPUs of all machines.
    """

    address: str
    is_embedded: bool
    ray_version: str
    nodes: int
    cpus: float
    gpus: float


@contextmanager
def connected_cluster(
    *,
    address: str | None = None,
    auth: RayAuth = "token",
    logical_cpus: int | None = None,
    logical_gpus: int | None = None,
    object_store_bytes: int = OBJECT_STORE_BYTES,
) -> Iterator[Cluster]:
    """Connect to a cluster, or start one in this process, for the length of a ``with`` block.

    A connection that exists already is used as it is and left open.

    Args:
        address: ``HOST:PORT`` of the head of a running cluster; None starts an embedded one.
        auth: Whether connections need a token. It binds only if Ray was not imported before.
        logical_cpus: CPUs an embedded cluster counts; its own finding when None.
        logical_gpus: GPUs an embedded cluster counts; its own finding when None.
        object_store_bytes: Shared memory of an embedded cluster.

    Raises:
        ClusterUnavailable: The cluster cannot be started or reached.
        SettingsError: The address is not ``HOST:PORT``.
    """
    if address is not None:
        _check_answers(address)
    prepare_ray_environment(auth=auth, embedded=address is None)
    # Imported here: Ray reads the environment that was just prepared while it is imported, and never again.
    import ray

    if ray.is_initialized():
        yield _facts(ray, is_embedded=False)
        return
    options: dict[str, Any] = (
        {"address": address}
        if address is not None
        else {
            # "local" starts a cluster even where RAY_ADDRESS or a stale session file points to another one.
            "address": "local",
            "num_cpus": logical_cpus,
            "num_gpus": logical_gpus,
            "object_store_memory": object_store_bytes,
            "include_dashboard": False,
        }
    )
    # Ray takes SIGTERM for itself; whoever opens the cluster knows better what it means.
    on_sigterm = signal.getsignal(signal.SIGTERM)
    try:
        ray.init(namespace=NAMESPACE, log_to_driver=False, logging_level=logging.ERROR, **options)
        cluster = _facts(ray, is_embedded=address is None)
    except Exception as error:
        # Ray raises a dozen unrelated classes here, all with this one meaning.
        ray.shutdown()
        raise _unavailable(address, error) from error
    finally:
        if threading.current_thread() is threading.main_thread() and on_sigterm is not None:
            signal.signal(signal.SIGTERM, on_sigterm)
    try:
        yield cluster
    finally:
        ray.shutdown()


def _check_answers(address: str) -> None:
    """Ask for a connection first: Ray itself tries a dead address for minutes, and prints as it does."""
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit() or "/" in host:
        raise SettingsError(
            f"'{address}' is not the address of a cluster",
            where="FARM_RAY_ADDRESS",
            hint="write HOST:PORT of its head node, such as 10.0.0.7:6379; ray:// addresses are not used",
        )
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=CONNECT_TIMEOUT_S).close()
    except (OSError, OverflowError) as error:
        raise _unavailable(address, error) from error


def _facts(ray: ModuleType, *, is_embedded: bool) -> Cluster:
    resources = ray.cluster_resources()
    return Cluster(
        address=str(ray.get_runtime_context().gcs_address),
        is_embedded=is_embedded,
        ray_version=str(ray.__version__),
        nodes=sum(1 for node in ray.nodes() if node["Alive"]),
        cpus=float(resources.get("CPU", 0)),
        gpus=float(resources.get("GPU", 0)),
    )


def _unavailable(address: str | None, error: Exception) -> ClusterUnavailable:
    reason = (str(error).strip() or type(error).__name__).splitlines()[0]
    if address is None:
        return ClusterUnavailable(
            f"Ray does not start: {reason}",
            where="embedded cluster",
            hint="run farm doctor; Ray needs free memory, /dev/shm and space in /tmp",
        )
    return ClusterUnavailable(
        f"the cluster does not answer: {reason}",
        where=address,
        hint="check FARM_RAY_ADDRESS, the network, and RAY_AUTH_TOKEN if the cluster asks for a token",
    )
