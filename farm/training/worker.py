"""One worker of a training run: what it is sent, what it books of the cluster, and what it does with both.

It builds its trainer, finds where the run stands, trains, and says how that ended.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from farm.config import share_machine
from farm.training.checkpoints import Checkpoint, CheckpointStore
from farm.training.logs import TensorBoardLog
from farm.training.loop import Cadence, Outcome, TrainingLoop, WorkerGroup
from farm.training.progress import Resumed, Waits
from infra.storage import open_store
from jobs.errors import ClusterUnavailable
from stages.training.trainer import Trainer, Workers

if TYPE_CHECKING:
    from stages.training.build import TrainingRequest


class TrainerFactory(Protocol):
    """Builds a trainer inside a worker. Travels to it pickled, so it holds no network and no open file."""

    def __call__(self, request: TrainingRequest, *, workers: Workers, device: str) -> Trainer:
        """A trainer at its first step, on a device such as ``cpu`` or ``cuda:0``."""
        ...


@dataclass(frozen=True, slots=True)
class StageTrainers:
    """The trainers of the stages."""

    def __call__(self, request: TrainingRequest, *, workers: Workers, device: str) -> Trainer:
        """See `stages.training.build.build_trainer`."""
        # Imported here: only the workers need the networks.
        from stages.training.build import build_trainer

        return build_trainer(request, workers=workers, device=device)


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerSetup:
    """What a worker needs to know.

    Attributes:
        request: What to train.
        trainers: Builds the trainer.
        cadence: Of checkpoints and validations.
        store: Address of the object store.
        prefix: Start of the run's keys in it.
        logs: Folder of TensorBoard events and contact sheets, on the machine of the first worker.
        threads: Threads of the numeric libraries in each worker.
    """

    request: TrainingRequest
    trainers: TrainerFactory
    cadence: Cadence
    store: str
    prefix: str
    logs: Path
    threads: int


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


def run_worker(setup: WorkerSetup, *, group: WorkerGroup, device: str) -> Outcome | None:
    """Train as one of a group of workers; the first one tells how it ended, the others give None.

    Args:
        setup: What to train, and where the run is kept.
        group: The workers; `torch.distributed` is initialised where there are several.
        device: Where this worker computes, such as ``cpu`` or ``cuda:0``.

    Raises:
        FarmError: The store or the log failed, a loss is not a number, or the run is asked to stop.
        StageError: The data or the weights cannot be used.
    """
    workers = Workers(rank=group.rank, count=group.count)
    trainer = setup.trainers(setup.request, workers=workers, device=device)
    checkpoints = CheckpointStore(
        open_store(setup.store),
        prefix=setup.prefix,
        keep=setup.cadence.keep,
        told=lambda error: group.tell(Waits(reason=error.line())),
    )
    checkpoint = _agreed(checkpoints, group)
    with ExitStack() as stack:
        log = None
        if group.rank == 0:
            resumed_from = None if checkpoint is None else checkpoint.step
            log = stack.enter_context(TensorBoardLog(setup.logs, resumed_from=resumed_from))
        loop = TrainingLoop(trainer, group=group, checkpoints=checkpoints, cadence=setup.cadence, log=log)
        if checkpoint is not None:
            loop.resume(checkpoint)
            if group.rank == 0:
                group.tell(Resumed(step=checkpoint.step))
        return loop.run()


def _agreed(checkpoints: CheckpointStore, group: WorkerGroup) -> Checkpoint | None:
    """The checkpoint that every worker starts from: the first one looks, the others read what it found."""
    mine = checkpoints.newest() if group.rank == 0 else None
    step = group.from_first(None if mine is None else mine.step)
    if step is None or mine is not None:
        return mine
    return checkpoints.read(step)
