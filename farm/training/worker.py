"""One worker of a training run: build the trainer, find where the run stands, train, and say how it ended."""

from __future__ import annotations

import logging
from contextlib import ExitStack

from farm.training.checkpoints import Checkpoint, CheckpointStore
from farm.training.logs import TensorBoardLog
from farm.training.loop import TrainingLoop
from farm.training.progress import Resumed
from farm.training.setup import Outcome, WorkerSetup
from farm.training.worker_group import WorkerGroup
from infra.storage import open_store
from stages.training.trainer import Workers

logger = logging.getLogger(__name__)


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
    checkpoints = CheckpointStore(open_store(setup.store), prefix=setup.prefix, keep=setup.cadence.keep)
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
