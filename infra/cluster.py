"""The Ray cluster a process works on: one that runs already, or a small one that starts inside the process.

What this module starts it also stops. Ray's own chatter, dashboard and log forwarding stay off: the farm has
its own progress, and lines from workers would tear through it.
"""

from __future__ import annotations

import atexit
import logging
import os
import shutil
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from infra.settings import RayAuth, prepare_ray_environment, ray_folder
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
        SettingsError: The address is not ``HOST:PORT``, or the folder of temporary files has too long a name.
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
    folder = ray_folder() if address is None else None
    if folder is not None:
        # What Ray started is ended as the process ends, where its start was interrupted; this comes after.
        atexit.register(_remove_sessions, folder)
    try:
        yield _connected(ray, options, address=address)
    finally:
        ray.shutdown()
        if folder is not None:
            _remove_sessions(folder)


def _connected(ray: ModuleType, options: dict[str, Any], *, address: str | None) -> Cluster:
    try:
        with _sigterm_waits():
            ray.init(namespace=NAMESPACE, log_to_driver=False, logging_level=logging.ERROR, **options)
        return _facts(ray, is_embedded=address is None)
    except (Exception, SystemExit) as error:
        # Ray raises a dozen unrelated classes here, all with this one meaning.
        raise _unavailable(address, error) from error


@contextmanager
def _sigterm_waits() -> Iterator[None]:
    """Keeps SIGTERM until the block ends, and for whoever handled it before.

    As it starts, Ray takes the signal for itself: first it would end the process without a word, then with a traceback
    of its own.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    handler = signal.getsignal(signal.SIGTERM)
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    _blocked.append(signal.SIGTERM)
    try:
        yield
    except SystemExit as end:
        # Another thread was given the signal, and Ray's own handler did this.
        if end.code == signal.SIGTERM:
            signal.raise_signal(signal.SIGTERM)
        raise
    finally:
        _blocked.clear()
        if handler is not None:
            signal.signal(signal.SIGTERM, handler)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


_blocked: list[signal.Signals] = []
# What Ray starts meanwhile is ended by the signal as ever.
os.register_at_fork(after_in_child=lambda: signal.pthread_sigmask(signal.SIG_UNBLOCK, _blocked))


def _remove_sessions(folder: Path) -> None:
    """Remove the logs and sockets of clusters that this process started and ended, and what holds nothing else then."""
    for session in folder.glob(f"session_*_{os.getpid()}"):
        shutil.rmtree(session, ignore_errors=True)
    latest = folder / "session_latest"
    with suppress(OSError):
        if not latest.exists():
            latest.unlink(missing_ok=True)
        folder.rmdir()


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


def _unavailable(address: str | None, error: BaseException) -> ClusterUnavailable:
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
