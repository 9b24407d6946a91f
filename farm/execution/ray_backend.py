"""Replicas as Ray actors: one pool per stage, each actor pinned to its share of the machine.

Ray places processes and moves calls; it repeats nothing by itself (`max_restarts=0`, `max_task_retries=0`). A dead
replica is replaced here and its units come back to the scheduler, which alone decides about another attempt.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import ray
from ray.exceptions import RayError, RayTaskError

from farm.config import PoolSizes, ReplicaShare, share_machine
from farm.execution.actors import dismiss, hire, reason_of
from farm.execution.calls import Answer, Call, Death, Outcome, Refusal, ReplicaFacts, ReplicaSetup
from farm.execution.replica import Replica
from farm.execution.stages_factory import StageFactory
from farm.scheduling.units import Stage, Unit
from jobs.errors import ClusterUnavailable, FarmError, ReplicaLost

logger = logging.getLogger(__name__)

# Deaths of replicas that never got ready, in a row, before the backend stops replacing them.
_STILLBORN_LIMIT = 3


class ReplicaActor:
    """The process around one `Replica`. Its constructor does nothing, so that every error comes from a call."""

    def __init__(self, *, stage: Stage, stages: StageFactory, setup: ReplicaSetup) -> None:
        self._replica = Replica(stage=stage, stages=stages, setup=setup)

    def set_up(self) -> ReplicaFacts | FarmError:
        """Load the weights; an error comes back as a value, unwrapped."""
        gpus = ray.get_runtime_context().get_accelerator_ids().get("GPU", [])
        try:
            return self._replica.set_up(gpus=tuple(str(gpu) for gpu in gpus))
        except FarmError as error:
            return error

    def perform(self, unit: Unit, call: Call) -> Answer | Refusal:
        """See `Replica.perform`."""
        return self._replica.perform(unit, call)


@dataclass(slots=True, eq=False)
class _Pooled:
    """One actor and what it was asked, oldest first; the unit of the set-up call is None."""

    stage: Stage
    actor: Any
    asked: deque[tuple[Any, Unit | None]] = field(default_factory=deque)

    @property
    def is_ready(self) -> bool:
        return all(unit is not None for _, unit in self.asked)


class RayBackend:
    """An `ExecutionBackend` on the Ray cluster that this process is connected to."""

    def __init__(
        self, *, stages: StageFactory, cores: int, gpus: int, start_timeout_s: float = 300.0
    ) -> None:
        """Args: cores, gpus: what the cluster offers; every replica gets an equal share of it."""
        self._stages = stages
        self._cores = cores
        self._gpus = gpus
        self._start_timeout_s = start_timeout_s
        self._setup: ReplicaSetup | None = None
        self._share = ReplicaShare(cpus=0.0, gpus=0.0)
        self._pools: dict[Stage, list[_Pooled]] = {stage: [] for stage in Stage}
        self._stillborn = 0

    def start(self, setup: ReplicaSetup, *, pools: PoolSizes) -> Sequence[ReplicaFacts]:
        """See `ExecutionBackend.start`."""
        self._setup = setup
        self._share = share_machine(cores=self._cores, gpus=self._gpus, replicas=pools.total)
        for stage, size in pools.by_stage().items():
            self._pools[stage] = [self._hire(stage) for _ in range(size)]
        deadline = time.monotonic() + self._start_timeout_s
        facts: list[ReplicaFacts] = []
        while not all(replica.is_ready for replica in self._replicas()):
            if time.monotonic() > deadline:
                raise ClusterUnavailable(
                    f"the replicas were not ready after {self._start_timeout_s:.0f} s",
                    where="cluster",
                    hint="use fewer --replicas, or see whether the cluster has free cores and memory",
                )
            for result, _ in self._collect(timeout_s=1.0):
                if isinstance(result, ReplicaFacts):
                    facts.append(result)
        return facts

    def submit(self, unit: Unit, call: Call) -> None:
        """See `ExecutionBackend.submit`."""
        # A replica that is still loading counts as one unit busier.
        replica = min(self._pools[unit.stage], key=lambda pooled: len(pooled.asked))
        replica.asked.append((replica.actor.perform.remote(unit, call), unit))

    def wait(self, *, timeout_s: float) -> Sequence[Outcome]:
        """See `ExecutionBackend.wait`."""
        return [
            result
            for result, _ in self._collect(timeout_s=timeout_s)
            if not isinstance(result, (ReplicaFacts, FarmError))
        ]

    def close(self) -> None:
        """Kill every actor; see `ExecutionBackend.close`."""
        for replica in self._replicas():
            dismiss(replica.actor, name=f"a {replica.stage} replica")
        self._pools = {stage: [] for stage in Stage}

    def _replicas(self) -> Iterator[_Pooled]:
        for pool in self._pools.values():
            yield from pool

    def _hire(self, stage: Stage) -> _Pooled:
        assert self._setup is not None, "start comes first"
        actor = hire(ReplicaActor, share=self._share, stage=stage, stages=self._stages, setup=self._setup)
        return _Pooled(stage=stage, actor=actor, asked=deque([(actor.set_up.remote(), None)]))

    def _collect(self, *, timeout_s: float) -> list[tuple[Any, _Pooled]]:
        """Results that are there, after waiting for the first; a set-up error is raised."""
        asked = [ref for replica in self._replicas() for ref, _ in replica.asked]
        if not asked:
            return []
        ray.wait(asked, num_returns=1, timeout=timeout_s)
        ready = set(ray.wait(asked, num_returns=len(asked), timeout=0)[0])
        collected: list[tuple[Any, _Pooled]] = []
        for replica in list(self._replicas()):
            collected.extend((result, replica) for result in self._harvest(replica, ready))
        return collected

    def _harvest(self, replica: _Pooled, ready: set[Any]) -> Iterable[Any]:
        # An actor answers in the order it was asked.
        while replica.asked and replica.asked[0][0] in ready:
            ref, unit = replica.asked[0]
            try:
                result = ray.get(ref)
            except RayTaskError as error:
                raise _not_an_answer(replica, error) from error
            except RayError as error:
                yield from self._replace(replica, error)
                return
            replica.asked.popleft()
            if unit is None:
                self._stillborn = 0
            if isinstance(result, FarmError):
                raise result
            yield result
            if isinstance(result, Refusal) and result.is_replica_suspect:
                yield from self._retire(replica, reason=result.error.message)
                return

    def _replace(self, dead: _Pooled, error: RayError) -> Iterable[Death]:
        """A new actor in the dead one's place; what it held comes back, the oldest unit as the one that ran."""
        reason = reason_of(error)
        logger.info("a %s replica is lost: %s", dead.stage, reason)
        dismiss(dead.actor, name=f"a {dead.stage} replica")
        if not dead.is_ready:
            self._stillborn += 1
            if self._stillborn >= _STILLBORN_LIMIT:
                raise ReplicaLost(
                    f"{self._stillborn} replicas in a row died while they loaded their weights",
                    where=f"{dead.stage} pool",
                    hint=f"use fewer --replicas if memory is short; Ray says: {reason}",
                ) from error
        self._hire_instead(dead)
        for position, (_, unit) in enumerate(dead.asked):
            if unit is not None:
                yield Death(unit=unit, was_running=position == 0, reason=reason)

    def _retire(self, suspect: _Pooled, *, reason: str) -> Iterable[Death]:
        """A new actor in the place of one that may be damaged; nothing that it still holds is to blame."""
        logger.info("a %s replica is replaced: %s", suspect.stage, reason)
        dismiss(suspect.actor, name=f"a {suspect.stage} replica")
        self._hire_instead(suspect)
        for _, unit in suspect.asked:
            if unit is not None:
                yield Death(unit=unit, was_running=False, reason=reason)

    def _hire_instead(self, gone: _Pooled) -> None:
        pool = self._pools[gone.stage]
        pool[pool.index(gone)] = self._hire(gone.stage)


def _not_an_answer(replica: _Pooled, error: RayTaskError) -> ReplicaLost:
    """Replicas return their errors as values; an exception means that the call itself could not be made."""
    return ReplicaLost(
        f"a call failed outside the stage: {str(error).strip().splitlines()[-1]}",
        where=f"{replica.stage} pool",
        hint="do all nodes run the same version of the farm?",
    )
