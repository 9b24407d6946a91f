"""A cluster whose nodes are killed, taken back and replaced while a farm works on it, and all of its processes."""

from __future__ import annotations

import os
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import pytest
from small_cluster import SmallCluster, small_cluster

NODES = 3
CPUS_PER_NODE = 2
# The last one has no GPU, so that a run which books some has to do without it.
GPUS_OF_NODES = (1, 1, 0)
# Quick, and yet patient with a machine that is busy: a node that is only slow must not count as dead.
SYSTEM_CONFIG: dict[str, object] = {
    "health_check_initial_delay_ms": 2000,
    "health_check_period_ms": 1000,
    "health_check_timeout_ms": 2000,
    "health_check_failure_threshold": 3,
    # Workers that wait for calls nobody will make only take the processor from those that work.
    "enable_worker_prestart": False,
    "prestart_worker_first_driver": False,
}
MARK = "FARM_CHAOS_CLUSTER"
"""Variable that every process of the cluster inherits, also those whose parents are killed."""


class StormyCluster(SmallCluster):
    """A head without room for replicas, and three nodes.

    Attributes:
        temporary: Where the cluster's processes, the replicas among them, make their temporary files.
    """

    def __init__(self, cluster: object, *, mark: str, temporary: Path) -> None:
        super().__init__(cluster)
        self._mark, self.temporary = mark, temporary
        self._gpus: dict[str, int] = {}

    def add_node(self, *, gpus: int = 0) -> str:
        """A node more; returns its hexadecimal id once the head knows it. A busy machine may need a second try."""
        while True:
            try:
                node = self._cluster.add_node(num_cpus=CPUS_PER_NODE, num_gpus=gpus)
                break
            except Exception as error:
                # Ray has no class of its own for it. What was half started would join later, known to nobody.
                if "timed out during startup" not in str(error):
                    raise
                self._end_abandoned()
        self._nodes[node.node_id] = node
        self._gpus[node.node_id] = gpus
        return str(node.node_id)

    def kill_node(self, node: str) -> None:
        """SIGKILL to the raylet and all else that makes the node; the replicas there find themselves alone."""
        super().kill_node(node)

    def replace_node(self, node: str) -> str:
        """A node like one that is gone."""
        return self.add_node(gpus=self._gpus[node])

    def node_of(self, pid: int) -> str | None:
        """The node on which a process runs, which is a child of the node's raylet."""
        parent = parent_of(pid)
        for name, node in list(self._nodes.items()):
            if any(info.process.pid == parent for info in node.all_processes.get("raylet", [])):
                return name
        return None

    def nodes(self) -> list[str]:
        """Those that were added and not killed, the oldest first."""
        return list(self._nodes)

    def processes(self) -> dict[int, str]:
        """Every living process of the cluster, with its title; this one is none of them."""
        found = {}
        for folder in Path("/proc").iterdir():
            if folder.name.isdigit() and int(folder.name) != os.getpid() and self._is_ours(folder):
                title = _title(folder)
                # Python's own, which this process has once it started another, and keeps.
                if "multiprocessing.resource_tracker" not in title:
                    found[int(folder.name)] = title
        return found

    def _end_abandoned(self) -> None:
        known = {
            info.process.pid
            for node in self._cluster.list_all_nodes()
            for infos in node.all_processes.values()
            for info in infos
        }
        for pid, title in self.processes().items():
            if parent_of(pid) == os.getpid() and pid not in known and "/raylet" in title:
                os.kill(pid, signal.SIGKILL)

    def _is_ours(self, process: Path) -> bool:
        try:
            return f"{MARK}={self._mark}".encode() in (process / "environ").read_bytes().split(b"\0")
        except (OSError, ValueError):
            return False


@contextmanager
def stormy_cluster(
    *, system_config: dict[str, object] = SYSTEM_CONFIG, gpus_of_nodes: tuple[int, ...] = GPUS_OF_NODES
) -> Iterator[StormyCluster]:
    """The cluster for the length of a block; no process of it is left afterwards."""
    mark, shared_before = uuid4().hex, _shared_memory()
    with (
        tempfile.TemporaryDirectory(prefix="farm-chaos-") as temporary,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setenv(MARK, mark)
        patch.setenv("TMPDIR", temporary)
        # Its sockets need a short path.
        patch.setenv("RAY_TMPDIR", "/tmp")
        with small_cluster(system_config) as small:
            # Nodes are added by other threads too, where no signal handler can be set; they end with the block.
            small._cluster._shutdown_at_exit = False
            cluster = StormyCluster(small._cluster, mark=mark, temporary=Path(temporary))
            for gpus in gpus_of_nodes:
                cluster.add_node(gpus=gpus)
            yield cluster
        assert soon(lambda: not cluster.processes(), within_s=20.0), cluster.processes()
    assert _shared_memory() <= shared_before, _shared_memory() - shared_before


def soon(condition: Callable[[], bool], *, within_s: float = 15.0, every_s: float = 0.1) -> bool:
    """Whether something comes true in time."""
    deadline = time.monotonic() + within_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(every_s)
    return True


def parent_of(pid: int) -> int:
    """The parent of a process; 0 where it is gone."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except (OSError, ValueError):
        return 0


def lives(pid: int) -> bool:
    """Whether a process is there and has not ended; one that ended but is not reaped yet counts as gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def _shared_memory() -> set[str]:
    """Blocks of shared memory, but for those of database servers, which come and go beside the tests."""
    return {path.name for path in Path("/dev/shm").iterdir() if not path.name.startswith("PostgreSQL")}


def _title(process: Path) -> str:
    try:
        return (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")[:120].strip()
    except OSError:
        return ""
