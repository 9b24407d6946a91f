"""What all our Ray actors share: Ray repeats nothing, sums use one thread, no GPU that was not booked is seen."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import ray
from ray.exceptions import RayError

from farm.config import ReplicaShare

logger = logging.getLogger(__name__)

# Bytes must not depend on how many threads a sum is split over. Set before the process starts, because the numeric
# libraries read these only once.
_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
_LONGEST_REASON = 240


def start_actor(
    kind: type, *, share: ReplicaShare, threads: Mapping[str, int] | None = None, **arguments: Any
) -> Any:
    """A new actor around an object of a class. Returns at once; while no node has room the actor waits for one.

    Args:
        kind: The class; its constructor should do nothing, so that every error comes from a call.
        share: What the actor books.
        threads: Threads of each concurrency group that methods of the class name; one for all where none is named.
        arguments: Of the constructor.
    """
    env = dict(_ONE_THREAD)
    if not share.gpus:
        # Ray no longer hides the GPUs from actors that booked none.
        env["CUDA_VISIBLE_DEVICES"] = ""
    # Ray takes the groups here only, and its types do not know them.
    options: dict[str, Any] = {"concurrency_groups": dict(threads)} if threads else {}
    actor: Any = ray.remote(**options)(kind) if options else ray.remote(kind)
    return actor.options(
        num_cpus=share.cpus,
        num_gpus=share.gpus,
        max_restarts=0,
        max_task_retries=0,
        runtime_env={"env_vars": env},
    ).remote(**arguments)


def end_actor(actor: Any, *, name: str) -> None:
    """End an actor, dead or alive; `name` is what to call it in the log."""
    try:
        ray.kill(actor, no_restart=True)
    except RayError as error:
        logger.debug("%s could not be killed: %s", name, error)


def loss_reason(error: RayError) -> str:
    """The one line of Ray's explanation of a loss that says something, cut where it goes on about common causes."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    if "creation task" in lines[0]:
        # An actor that could not be made at all ends in the traceback of its process.
        reason = lines[-1]
    else:
        reason = next(
            (line for line in lines if line.startswith("The actor ") and "unexpectedly" not in line), lines[0]
        )
    reason = reason.split(" Some common causes")[0]
    return reason if len(reason) <= _LONGEST_REASON else f"{reason[: _LONGEST_REASON - 3]}..."
