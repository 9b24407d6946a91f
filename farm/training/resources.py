"""What each training worker books of a cluster, and how many threads it computes with."""

from __future__ import annotations

from dataclasses import dataclass

from farm.config import share_machine
from jobs.errors import ClusterUnavailable


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerShare:
    """One worker's share of the cluster.

    Attributes:
        cpus: Logical CPUs.
        gpus: GPUs: one, or none where the cluster has none.
        threads: Threads of the numeric libraries. With one worker they are all cores: idle ones help nobody, and a
            run on the same machine has the same number of them again, so it ends with the same bits.
    """

    cpus: float
    gpus: int
    threads: int

    @property
    def backend(self) -> str:
        """What carries gradients between workers, in `torch.distributed`'s word."""
        return "nccl" if self.gpus else "gloo"


def share_for_training(*, workers: int, cpus: int, gpus: int, largest_machine: int) -> WorkerShare:
    """Equal shares with which all workers run at the same time.

    Args:
        workers: Data-parallel workers.
        cpus: Logical CPUs of the cluster.
        gpus: GPUs of the cluster.
        largest_machine: Cores that one machine is known to have; no worker books more.

    Raises:
        ClusterUnavailable: There are GPUs, but fewer than workers: NCCL refuses two on one.
    """
    if 0 < gpus < workers:
        raise ClusterUnavailable(
            f"{workers} workers need {workers} GPUs, and the cluster has {gpus}",
            where="spec.workers",
            hint=f"use {gpus} workers or fewer",
        )
    cores = max(1, min(cpus // workers, largest_machine))
    booked = float(cores) if workers <= cpus else share_machine(cores=cpus, gpus=0, replicas=workers).cpus
    return WorkerShare(cpus=booked, gpus=1 if gpus else 0, threads=cores)
