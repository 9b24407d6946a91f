"""A training run on Ray Train V2: it places the workers, joins them in a process group and replaces lost ones.

Nothing of the run is entrusted to it: checkpoints are in our store, and a new group of workers finds them there.
"""

from __future__ import annotations

import logging
import secrets
import shutil
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import ray
import ray.train
import ray.train.collective
import ray.train.torch
from ray.exceptions import RayError
from ray.train.torch import TorchConfig
from ray.train.v2.api.callback import UserCallback
from ray.train.v2.api.config import FailureConfig, LoggingConfig, RunConfig, ScalingConfig
from ray.train.v2.api.exceptions import ControllerError, TrainingFailedError
from ray.train.v2.torch.torch_trainer import TorchTrainer

from farm.training.failures import LARGEST_LOSSES_IN_A_ROW, is_worth_retrying, one_line, training_error
from farm.training.loop import Outcome
from farm.training.progress import Mailbox, TrainingEvent, TrainingListener
from farm.training.worker import WorkerSetup, WorkerShare, run_worker
from farm.translation import translate
from jobs.errors import (
    Cancelled,
    ClusterUnavailable,
    FarmError,
    InfrastructureError,
    InternalError,
    ReplicaLost,
)

logger = logging.getLogger(__name__)

_LOOK_SECONDS: Final = 0.3
_STOP_SECONDS: Final = 120.0
"""A step, a validation and a checkpoint of the largest network fit into this."""

_STARTS: Final = 3
"""Minutes that a busy cluster may take to make room for the workers: Ray waits one each time."""


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


class FailurePolicy(UserCallback):
    """Ends a run whose error would come again; Ray Train itself tries everything again.

    Lives in Ray Train's controller, for which an error raised here is the end.
    """

    def __init__(self, mailbox: Any) -> None:
        """Args: mailbox: handle of the actor around a `Mailbox`."""
        self._mailbox = mailbox

    def after_exception(self, run_context: Any, worker_exceptions: dict[int, Exception]) -> None:
        """Called by Ray Train with the error of every worker that failed."""
        errors = [error for _, error in sorted(worker_exceptions.items())]
        retried = [error for error in errors if is_worth_retrying(error)]
        # Where one worker died, what the others say of it is a consequence.
        if not retried:
            raise errors[0]
        deaths = [error for error in retried if not isinstance(error, FarmError)]
        reason = one_line((deaths or retried)[0])
        attempt = ray.get(self._mailbox.lost.remote(reason))
        if attempt > LARGEST_LOSSES_IN_A_ROW:
            raise ReplicaLost(
                f"workers were lost {attempt} times in a row",
                where="training",
                hint=f"use fewer workers or a smaller batch if memory is short; the last time: {reason}",
            )


def train_on_ray(
    setup: WorkerSetup, *, workers: int, share: WorkerShare, scratch: Path, listener: TrainingListener
) -> Outcome:
    """Run the workers on the cluster that this process is connected to, until the last step.

    Args:
        setup: What each worker is sent.
        workers: How many there are.
        share: What each of them books.
        scratch: Folder for what Ray writes down; nothing of it remains.
        listener: Is told what happens, in this process.

    Raises:
        FarmError: The run ended early, see `farm.training.train_job.train`.
        KeyboardInterrupt: After the workers were asked to stop, and have saved the step they had come to.
    """
    mailbox: Any = ray.remote(Mailbox).options(num_cpus=0).remote()
    # Copies of its handle travel from here on, and an actor that still starts can be taken for one nobody refers to.
    ray.get(mailbox.take.remote())
    folder = scratch / secrets.token_hex(8)
    fit = _Fit(_trainer(setup, workers=workers, share=share, folder=folder, mailbox=mailbox))
    fit.start()
    try:
        while not fit.has_ended(within_s=_LOOK_SECONDS):
            _pass_on(mailbox, listener)
        _pass_on(mailbox, listener)
        resumed_from: int | None = ray.get(mailbox.resumed_from.remote())
    except KeyboardInterrupt:
        mailbox.stop.remote()
        fit.has_ended(within_s=_STOP_SECONDS)
        raise
    except RayError as error:
        raise _lost(error) from error
    finally:
        ray.kill(mailbox)
        shutil.rmtree(folder, ignore_errors=True)
    return replace(fit.outcome(), resumed_from=resumed_from)


def _trainer(
    setup: WorkerSetup, *, workers: int, share: WorkerShare, folder: Path, mailbox: Any
) -> TorchTrainer:
    environment = dict.fromkeys(
        ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), str(setup.threads)
    )
    if not share.gpus:
        # Ray no longer hides the GPUs from actors that booked none.
        environment["CUDA_VISIBLE_DEVICES"] = ""
    return TorchTrainer(
        train_on_worker,
        train_loop_config={"setup": setup, "mailbox": mailbox},
        torch_config=TorchConfig(backend=share.backend),
        scaling_config=ScalingConfig(
            num_workers=workers,
            use_gpu=bool(share.gpus),
            resources_per_worker={"CPU": share.cpus, "GPU": share.gpus}
            if share.gpus
            else {"CPU": share.cpus},
        ),
        run_config=RunConfig(
            name=folder.name,
            storage_path=str(folder.parent),
            # The policy above counts; a busy cluster is given up after some minutes.
            failure_config=FailureConfig(max_failures=-1, controller_failure_limit=_STARTS),
            callbacks=[FailurePolicy(mailbox)],
            worker_runtime_env={"env_vars": environment},
            logging_config=LoggingConfig(log_level="ERROR"),
        ),
    )


class _Fit(threading.Thread):
    """`TorchTrainer.fit` beside the main thread, which thus stays free for the listener and for Ctrl-C.

    A daemon: a second Ctrl-C does not wait for it.
    """

    def __init__(self, trainer: TorchTrainer) -> None:
        super().__init__(name="ray-train", daemon=True)
        self._trainer = trainer
        # Not `join`, which takes a thread for ended when Ctrl-C interrupts it (Python 3.11).
        self._end = threading.Event()
        self._outcome: Outcome | None = None
        self._error: Exception | None = None

    def run(self) -> None:
        try:
            result: Any = self._trainer.fit()  # annotated as the Result of Ray Train V1
            self._outcome = result.return_value
        except Exception as error:
            # Raised again in the main thread, by `outcome`; a thread's own end would be a traceback on the terminal.
            logger.info("the run ended early", exc_info=error)
            self._error = error
        finally:
            self._end.set()

    def has_ended(self, *, within_s: float) -> bool:
        """Whether the run has ended, after waiting for it a while."""
        return self._end.wait(within_s)

    def outcome(self) -> Outcome:
        """How the run ended.

        Raises:
            FarmError: It ended early.
        """
        if self._error is not None:
            raise _farm_error(self._error) from self._error
        if self._outcome is None:
            raise InfrastructureError(
                "Ray Train ended without an outcome", where="cluster", hint="see Ray's logs in /tmp/ray"
            )
        return self._outcome


def _farm_error(error: Exception) -> FarmError:
    if not isinstance(error, (RayError, TrainingFailedError)):
        return translate(error, where="training", otherwise=InternalError)
    if isinstance(error, ControllerError):
        cause = error.controller_failure
        if isinstance(cause, FarmError):
            return cause
        return ClusterUnavailable(
            f"the workers could not be started: {one_line(cause)}",
            where="cluster",
            hint="see whether the cluster has free cores, GPUs and memory for all workers",
        )
    return _lost(error)


def _lost(error: Exception) -> InfrastructureError:
    return InfrastructureError(
        one_line(error), where="cluster", hint="start the job again: it goes on from its last checkpoint"
    )


def _pass_on(mailbox: Any, listener: TrainingListener) -> None:
    for event in ray.get(mailbox.take.remote()):
        event.tell(listener)
