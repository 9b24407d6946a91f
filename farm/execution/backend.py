"""The seam between deciding and doing: four methods that a place to run stages must have.

`RayBackend` runs replicas as Ray actors; `InlineBackend` runs them in this process, one after the other. Both give
the same bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from farm.config import PoolSizes
from farm.execution.calls import Call, Outcome, ReplicaFacts, ReplicaSetup
from farm.scheduling.units import Unit


class ExecutionBackend(Protocol):
    """Pools of replicas, one per stage."""

    def start(self, setup: ReplicaSetup, *, pools: PoolSizes) -> Sequence[ReplicaFacts]:
        """Start every replica and wait until all have loaded their weights.

        Raises:
            FarmError: A replica refused its subject or weights, or the machine cannot hold the pools.
        """
        ...

    def submit(self, unit: Unit, call: Call) -> None:
        """Hand the unit to the least busy replica of its stage's pool; returns at once."""
        ...

    def wait(self, *, timeout_s: float) -> Sequence[Outcome]:
        """What happened since the last call; waits up to `timeout_s` for the first outcome.

        A dead replica is replaced here, and every unit it held comes back as a `Death`.

        Raises:
            FarmError: Replicas die as fast as they are replaced.
        """
        ...

    def close(self) -> None:
        """End every replica. May be called at any time, also twice."""
        ...
