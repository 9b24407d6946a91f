"""Pools without a replica, for jobs of which everything is committed already."""

from __future__ import annotations

from collections.abc import Sequence

from farm.config import PoolSizes
from farm.execution.calls import ReplicaSetup
from farm.execution.pools.messages import PoolEvent, Task


class NoPools:
    """A `PoolBackend` that nothing can be asked of."""

    def start(self, pools: PoolSizes, *, warm: ReplicaSetup | None = None) -> int:
        """Start nothing."""
        return 0

    def submit(self, replica: str, task: Task) -> None:
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
