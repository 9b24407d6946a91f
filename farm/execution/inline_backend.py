"""Every stage in this process, one unit at a time, in the order of dispatch: the reference the pools are held to."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from farm.config import PoolSizes
from farm.execution.calls import Call, Outcome, Refusal, ReplicaFacts, ReplicaSetup
from farm.execution.replica import Replica
from farm.execution.stages_factory import StageFactory
from farm.scheduling.units import Stage, Unit


class InlineBackend:
    """An `ExecutionBackend` without processes. Pool sizes are accepted and change nothing."""

    def __init__(self, *, stages: StageFactory) -> None:
        self._stages = stages
        self._replicas: dict[Stage, Replica] = {}
        self._queue: deque[tuple[Unit, Call]] = deque()
        self._setup: ReplicaSetup | None = None

    def start(self, setup: ReplicaSetup, *, pools: PoolSizes) -> Sequence[ReplicaFacts]:
        """Load all stages; see `ExecutionBackend.start`."""
        self._setup = setup
        return [self._load(stage) for stage in Stage]

    def submit(self, unit: Unit, call: Call) -> None:
        """Queue the unit."""
        self._queue.append((unit, call))

    def wait(self, *, timeout_s: float) -> Sequence[Outcome]:
        """Work off the oldest unit, however long that takes."""
        if not self._queue:
            return ()
        unit, call = self._queue.popleft()
        outcome = self._replicas[unit.stage].perform(unit, call)
        if isinstance(outcome, Refusal) and outcome.is_replica_suspect:
            self._load(unit.stage)
        return (outcome,)

    def close(self) -> None:
        """Forget the stages and what was queued."""
        self._queue.clear()
        for replica in self._replicas.values():
            replica.close()
        self._replicas.clear()

    def _load(self, stage: Stage) -> ReplicaFacts:
        assert self._setup is not None, "start comes first"
        if stage in self._replicas:
            self._replicas[stage].close()
        replica = self._replicas[stage] = Replica(stage=stage, stages=self._stages, setup=self._setup)
        return replica.set_up(gpus=())
