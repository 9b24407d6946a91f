"""The seam between deciding and doing on a shared farm: pools of replicas that serve whatever job comes.

`RayPools` runs replicas as Ray actors; `InlinePools` runs one of each stage in this process. Both give the same bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from farm.config import PoolSizes
from farm.execution.calls import ReplicaSetup
from farm.execution.pools.messages import PoolEvent, Task


class PoolBackend(Protocol):
    """Pools of replicas, one pool for each stage. Not for several threads."""

    def start(self, pools: PoolSizes, *, warm: ReplicaSetup | None = None) -> int:
        """Begin to start replicas; each is reported by `Joined`.

        Args:
            pools: Replicas of each stage.
            warm: What they load before they join; with None they load with their first task.

        Returns:
            How many will join.
        """
        ...

    def submit(self, replica: str, task: Task) -> None:
        """Queue the task on the replica, behind what it holds.

        A task for a replica that has just died is named by its `Gone`, or by one of its own.
        """
        ...

    def recall(self, key: str) -> None:
        """Take a task back if it has not begun: `TakenBack` follows, or nothing special if it was too late."""
        ...

    def stop(self, key: str) -> None:
        """Ask a task to stop: `StoppedAsAsked` follows, or whatever it came to."""
        ...

    def kill(self, replica: str) -> None:
        """End the replica at once and start another. No `Gone` follows, and nothing of its tasks."""
        ...

    def retire(self, replica: str) -> None:
        """End an empty replica whose node goes away; another starts where there is room. No `Gone` follows."""
        ...

    def wait(self, *, timeout_s: float) -> Sequence[PoolEvent]:
        """What happened since the last call; waits up to `timeout_s` for the first happening.

        Raises:
            FarmError: `warm` cannot be loaded, or replicas die as fast as they are replaced.
        """
        ...

    def close(self) -> None:
        """End every replica. May be called at any time, also twice."""
        ...
