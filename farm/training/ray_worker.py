"""A training worker inside Ray Train: who it is, its device, and its group."""

from __future__ import annotations

import logging
from typing import Any

import ray
import ray.train
import ray.train.collective
import ray.train.torch

from farm.training.failures import training_error
from farm.training.progress import TrainingEvent
from farm.training.setup import Outcome, WorkerSetup
from farm.training.worker import run_worker
from jobs.errors import Cancelled

logger = logging.getLogger(__name__)


class RayWorkerGroup:
    """A `WorkerGroup` of the workers that Ray Train placed."""

    def __init__(self, mailbox: Any) -> None:
        """Args: mailbox: handle of the actor around a `Mailbox`."""
        context = ray.train.get_context()
        self._rank = int(context.get_world_rank())
        self._count = int(context.get_world_size())
        self._mailbox = mailbox

    @property
    def rank(self) -> int:
        """See `WorkerGroup.rank`."""
        return self._rank

    @property
    def count(self) -> int:
        """See `WorkerGroup.count`."""
        return self._count

    def wait(self) -> None:
        """See `WorkerGroup.wait`. Unlike a barrier of `torch.distributed`, this one may take hours."""
        if self._count > 1:
            ray.train.collective.barrier()

    def from_first(self, value: int | None) -> int | None:
        """See `WorkerGroup.from_first`."""
        return ray.train.collective.broadcast_from_rank_zero(value) if self._count > 1 else value

    def tell(self, event: TrainingEvent) -> None:
        """See `WorkerGroup.tell`."""
        if ray.get(self._mailbox.tell.remote(event)):
            raise Cancelled(
                "stopped from outside",
                where="training",
                hint="the step it had come to is saved; the same job goes on from it",
            )


def train_on_worker(config: dict[str, Any]) -> Outcome | None:
    """What Ray Train runs in every worker; the form of its argument is Ray's.

    Raises:
        FarmError: See `run_worker`; whatever was raised there leaves as one, because it crosses processes.
    """
    setup: WorkerSetup = config["setup"]
    group = RayWorkerGroup(config["mailbox"])
    try:
        return run_worker(setup, group=group, device=str(ray.train.torch.get_device()))
    except Exception as error:
        logger.info("worker %d of %d ends", group.rank, group.count, exc_info=error)
        raise training_error(error) from error
