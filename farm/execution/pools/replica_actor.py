"""The process around one replica: one thread works, another answers, so that a busy replica can be asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import ray

from farm.execution.calls import ReplicaFacts, ReplicaSetup
from farm.execution.pools.messages import Task
from farm.execution.replica import Ended, Replica
from farm.execution.stages_factory import StageFactory
from farm.execution.work_watch import WorkProgress
from farm.scheduling.units import Stage
from jobs.errors import FarmError

THREADS: Final = {"work": 1, "control": 1}
"""Concurrency groups of the actor; each works in the order in which it is asked."""


@dataclass(frozen=True, slots=True)
class ReplicaReady:
    """A replica is ready; `node` is the hexadecimal id of its node."""

    facts: ReplicaFacts
    node: str


class ReplicaActor:
    """Its constructor loads nothing, so that every error comes from a call."""

    def __init__(self, *, stage: Stage, stages: StageFactory, kept_subjects: int) -> None:
        self._replica = Replica(stage=stage, stages=stages, kept_subjects=kept_subjects)

    @ray.method(concurrency_group="work")
    def set_up(self, warm: ReplicaSetup | None) -> ReplicaReady | FarmError:
        """See `Replica.set_up`; an error comes back as a value, unwrapped."""
        context = ray.get_runtime_context()
        gpus = tuple(str(gpu) for gpu in context.get_accelerator_ids().get("GPU", []))
        try:
            return ReplicaReady(self._replica.set_up(gpus=gpus, warm=warm), context.get_node_id())
        except FarmError as error:
            return error

    @ray.method(concurrency_group="work")
    def perform(self, task: Task) -> Ended:
        """See `Replica.perform`."""
        return self._replica.perform(task)

    @ray.method(concurrency_group="control")
    def look(self) -> WorkProgress:
        """See `Replica.look`."""
        return self._replica.look()

    @ray.method(concurrency_group="control")
    def recall(self, key: str) -> bool:
        """See `Replica.recall`."""
        return self._replica.recall(key)

    @ray.method(concurrency_group="control")
    def stop(self, key: str) -> bool:
        """See `Replica.stop`."""
        return self._replica.stop(key)
