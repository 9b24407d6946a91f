"""One replica of each stage in this process, one task at a time, in the order of submission: the reference."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import replace

from farm.config import PoolSizes
from farm.execution.calls import ReplicaSetup
from farm.execution.pools.members import ReplicaStarts
from farm.execution.pools.messages import (
    AnyTask,
    Began,
    Gone,
    Joined,
    PoolEvent,
    PoolEventQueue,
    Refused,
    StoppedAsAsked,
    TakenBack,
)
from farm.execution.replica import KEPT_SUBJECTS, Replica
from farm.execution.stages import StageFactory
from farm.execution.whole_work import WholeWork
from farm.scheduling.units import RENDER_STAGES, Stage


class InlinePools:
    """A `PoolBackend` without processes. Of a pool that there is it has one replica, whatever its size."""

    def __init__(
        self, *, stages: StageFactory, kept_subjects: int = KEPT_SUBJECTS, whole: WholeWork | None = None
    ) -> None:
        self._stages, self._kept_subjects, self._whole = stages, kept_subjects, whole
        self._sizes, self._started = PoolSizes(), set[Stage]()
        self._warm: ReplicaSetup | None = None
        self._to_join: list[Stage] = []
        self._replicas: dict[str, tuple[Stage, Replica]] = {}
        self._queue: deque[tuple[str, AnyTask]] = deque()
        self._gone: dict[str, Gone] = {}
        self._ended_by_us: set[str] = set()
        self._starts, self._events = ReplicaStarts(), PoolEventQueue()

    def start(self, pools: PoolSizes, *, warm: ReplicaSetup | None = None) -> int:
        """See `PoolBackend.start`; replicas are loaded by the first `wait`."""
        self._warm, self._sizes = warm, pools
        self._to_join.extend(RENDER_STAGES)
        return len(self._to_join)

    def start_stage(self, stage: Stage) -> None:
        """See `PoolBackend.start_stage`: one replica, where there shall be any."""
        if stage not in self._started and self._sizes.by_stage()[stage]:
            self._started.add(stage)
            self._to_join.append(stage)

    def submit(self, replica: str, task: AnyTask) -> None:
        """See `PoolBackend.submit`.

        Raises:
            ValueError: There never was such a replica, or another task of that key is not over.
        """
        if any(task.key == waiting.key for _, waiting in self._queue):
            raise ValueError(f"a task {task.key} is not over")
        if replica in self._replicas:
            self._queue.append((replica, task))
        elif replica in self._gone:
            self._events.put(replica, replace(self._gone[replica], tasks=(task.key,)))
        elif replica not in self._ended_by_us:
            raise ValueError(f"there is no replica {replica}")

    def recall(self, key: str) -> None:
        """See `PoolBackend.recall`; nothing runs between two calls of `wait`, so it is never too late."""
        replica = self._dequeue(key)
        if replica is not None:
            self._events.put(replica, TakenBack(key))

    def stop(self, key: str) -> None:
        """See `PoolBackend.stop`."""
        replica = self._dequeue(key)
        if replica is not None:
            self._events.put(replica, StoppedAsAsked(key))

    def kill(self, replica: str) -> None:
        """See `PoolBackend.kill`."""
        self._events.drop(replica)
        self._gone.pop(replica, None)
        self._ended_by_us.add(replica)
        self._queue = deque(entry for entry in self._queue if entry[0] != replica)
        self._replace(replica)

    def retire(self, replica: str) -> None:
        """See `PoolBackend.retire`. If it still holds tasks, a `Gone` names them after all."""
        if any(name == replica for name, _ in self._queue):
            self._end(replica, reason="it was retired")
        else:
            self.kill(replica)

    def wait(self, *, timeout_s: float) -> Sequence[PoolEvent]:
        """Work off the oldest task, however long that takes; see `PoolBackend.wait`."""
        while self._to_join:
            self._join(self._to_join[0])
            self._to_join.pop(0)
        if self._queue and not self._events:
            name, task = self._queue.popleft()
            self._events.put(name, Began(task.key))
            ended = self._replicas[name][1].perform(task)
            self._events.put(name, ended)
            if isinstance(ended, Refused) and ended.is_replica_suspect:
                self._end(name, reason=ended.error.message)
        return self._events.take()

    def close(self) -> None:
        """Forget the stages and what was queued."""
        for name, (_, replica) in self._replicas.items():
            replica.close()
            self._ended_by_us.add(name)
        self._replicas.clear()
        self._queue.clear()
        self._to_join.clear()
        self._events.take()

    def _join(self, stage: Stage) -> None:
        replica = Replica(
            stage=stage, stages=self._stages, kept_subjects=self._kept_subjects, whole=self._whole
        )
        facts = replica.set_up(gpus=(), warm=self._warm)
        name = self._starts.name(stage)
        self._replicas[name] = stage, replica
        self._events.put(name, Joined(name, stage, facts))

    def _end(self, name: str, *, reason: str) -> None:
        stage = self._replicas[name][0]
        held = tuple(task.key for holder, task in self._queue if holder == name)
        self._queue = deque(entry for entry in self._queue if entry[0] != name)
        self._gone[name] = Gone(replica=name, stage=stage, tasks=held, explained=True, reason=reason)
        self._events.put(name, self._gone[name])
        self._replace(name)

    def _replace(self, name: str) -> None:
        if name in self._replicas:
            stage, replica = self._replicas.pop(name)
            replica.close()
            self._to_join.append(stage)

    def _dequeue(self, key: str) -> str | None:
        """Take a task off the queue; returns the replica that held it."""
        for entry in self._queue:
            if entry[1].key == key:
                self._queue.remove(entry)
                return entry[0]
        return None
