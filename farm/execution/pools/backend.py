"""The seam between deciding and doing on a farm: pools of replicas that serve whatever job comes.

`RayPools` runs replicas as Ray actors; `InlinePools` runs one of each stage in this process. Both give the same bytes.
`NoPools` runs none.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from farm.config import PoolSizes
from farm.execution.calls import ReplicaSetup
from farm.execution.pools.messages import AnyTask, PoolEvent
from farm.scheduling.units import Stage


class PoolBackend(Protocol):
    """Pools of replicas, one pool for each stage. Not for several threads."""

    def start(self, pools: PoolSizes, *, warm: ReplicaSetup | None = None) -> int:
        """Begin to start the replicas that render; each is reported by `Joined`.

        Args:
            pools: Replicas of each stage. Those for jobs in one piece start with `start_stage`.
            warm: What they load before they join; with None they load with their first task.

        Returns:
            How many will join.
        """
        ...

    def start_stage(self, stage: Stage) -> None:
        """Begin to start the replicas for jobs in one piece of a kind; a second call changes nothing."""
        ...

    def submit(self, replica: str, task: AnyTask) -> None:
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
        """What happened since the last call; waits up to `timeout_s` for the first event.

        Raises:
            FarmError: `warm` cannot be loaded, or replicas die as fast as they are replaced.
        """
        ...

    def close(self) -> None:
        """End every replica. May be called at any time, also twice."""
        ...


class NoPools:
    """A `PoolBackend` without a replica, for jobs of which everything is committed already."""

    def start(self, pools: PoolSizes, *, warm: ReplicaSetup | None = None) -> int:
        """Start nothing."""
        return 0

    def start_stage(self, stage: Stage) -> None:
        """Start nothing."""

    def submit(self, replica: str, task: AnyTask) -> None:
        """There is no replica that could be named."""
        raise ValueError(f"there is no replica {replica}")

    def recall(self, key: str) -> None:
        """There is nothing to recall."""

    def stop(self, key: str) -> None:
        """There is nothing to stop."""

    def kill(self, replica: str) -> None:
        """There is no replica."""

    def retire(self, replica: str) -> None:
        """There is no replica."""

    def wait(self, *, timeout_s: float) -> Sequence[PoolEvent]:
        """Nothing happens here."""
        return ()

    def close(self) -> None:
        """There is nothing to end."""
