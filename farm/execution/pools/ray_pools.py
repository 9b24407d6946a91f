"""Pools of replicas as Ray actors, each pinned to its share of the machine.

Ray places processes and moves calls; it repeats nothing by itself. A replica that ends is replaced here; whether its
tasks are tried again is for others to decide. Every task ends in exactly one happening, unless its replica was killed.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import ray

from farm.config import PoolSizes, share_machine
from farm.execution.calls import ReplicaSetup
from farm.execution.pools.answering import Answering
from farm.execution.pools.endings import Endings
from farm.execution.pools.event_queue import PoolEventQueue
from farm.execution.pools.messages import Draining, PoolEvent, Task
from farm.execution.pools.node_watch import ClusterSurvey, NodeWatch
from farm.execution.pools.pooled import Held, Pooled
from farm.execution.pools.staff import Staff
from farm.execution.replica import KEPT_SUBJECTS
from farm.execution.stages_factory import StageFactory
from jobs.errors import ClusterUnavailable

_IDLE_LOOK_S = 5.0
_LONGEST_SLEEP_S = 0.5
_SHORTEST_SLEEP_S = 0.05


@dataclass(frozen=True, slots=True)
class _Running:
    """What there is once the pools have started."""

    nodes: NodeWatch
    endings: Endings
    staff: Staff
    answering: Answering


class RayPools:
    """A `PoolBackend` on the Ray cluster that this process is connected to."""

    def __init__(
        self,
        *,
        stages: StageFactory,
        cores: int,
        gpus: int,
        kept_subjects: int = KEPT_SUBJECTS,
        start_timeout_s: float = 300.0,
        look_every_s: float = 1.0,
    ) -> None:
        """Say what the pools are made of; `start` makes them.

        Args:
            stages: What replicas load.
            cores, gpus: What the cluster offers; every replica gets an equal share of it.
            kept_subjects: Subjects that a replica keeps loaded.
            start_timeout_s: How long warm replicas may take to join.
            look_every_s: How often a busy replica is asked for its progress.
        """
        self._stages, self._cores, self._gpus = stages, cores, gpus
        self._kept_subjects = kept_subjects
        self._start_timeout_s, self._look_every_s = start_timeout_s, look_every_s
        self._start_deadline: float | None = None
        self._outbox = PoolEventQueue()
        self._parts: _Running | None = None

    def start(self, pools: PoolSizes, *, warm: ReplicaSetup | None = None) -> int:
        """See `PoolBackend.start`."""
        if self._parts is not None:
            raise RuntimeError("the pools have started")
        if warm is not None:
            self._start_deadline = time.monotonic() + self._start_timeout_s
        nodes = NodeWatch(ClusterSurvey())
        endings = Endings(nodes, own_node=str(ray.get_runtime_context().get_node_id()))
        staff = Staff(
            stages=self._stages,
            share=share_machine(cores=self._cores, gpus=self._gpus, replicas=pools.total),
            kept_subjects=self._kept_subjects,
            warm=warm,
            endings=endings,
        )
        self._parts = _Running(nodes, endings, staff, Answering(staff, self._outbox))
        for stage, size in pools.by_stage().items():
            for _ in range(size):
                staff.hire(stage)
        return pools.total

    def submit(self, replica: str, task: Task) -> None:
        """See `PoolBackend.submit`. A task for a replica whose `Gone` was reported already gets one of its own.

        Raises:
            ValueError: There never was such a replica, or another task of that key is not over.
        """
        staff = self._running.staff
        if staff.roster.holding(task.key):
            raise ValueError(f"a task {task.key} is not over")
        pooled = staff.roster.find(replica)
        if pooled is not None:
            staff.roster.hold(pooled, Held(task.key, pooled.actor.perform.remote(task)))
            self._running.answering.begin_oldest(pooled)
            return
        report = self._running.endings.late_task(replica, task.key)
        if report is not None:
            self._outbox.put(replica, report)

    def recall(self, key: str) -> None:
        """See `PoolBackend.recall`. A task whose `Began` was reported is not taken back."""
        found = self._running.staff.roster.holding(key)
        if found is not None and not found[1].has_begun:
            replica, task = found
            task.recalls.add(replica.actor.recall.remote(key))

    def stop(self, key: str) -> None:
        """See `PoolBackend.stop`. A task that has not begun never will."""
        found = self._running.staff.roster.holding(key)
        if found is not None:
            replica = found[0]
            replica.stops[replica.actor.stop.remote(key)] = key

    def kill(self, replica: str) -> None:
        """See `PoolBackend.kill`. Of a replica that ended by itself, what was not yet told stays untold."""
        pooled = self._running.staff.roster.find(replica)
        self._running.endings.silence(replica)
        self._outbox.silence(replica)
        if pooled is not None:
            self._running.staff.replace(pooled)

    def retire(self, replica: str) -> None:
        """See `PoolBackend.retire`. If it still holds tasks, a `Gone` names them after all."""
        pooled = self._running.staff.roster.find(replica)
        if pooled is not None and pooled.held:
            self._running.staff.end(pooled, is_explained=True, reason="it was retired")
        else:
            self.kill(replica)

    def wait(self, *, timeout_s: float) -> Sequence[PoolEvent]:
        """See `PoolBackend.wait`."""
        deadline = time.monotonic() + timeout_s
        while True:
            self._running.answering.take()
            for report in self._running.endings.due():
                self._outbox.put(report.replica, report)
            self._running.staff.hire_due()
            self._look_at_replicas()
            now = time.monotonic()
            self._check_start(now)
            if self._outbox or now >= deadline:
                return self._outbox.take()
            self._sleep(deadline - now)

    def close(self) -> None:
        """Kill every actor; see `PoolBackend.close`."""
        if self._parts is not None:
            for replica in self._parts.staff.roster:
                self._parts.endings.silence(replica.name)
            self._parts.staff.close()
            self._parts.nodes.close()
        self._outbox.take()

    @property
    def _running(self) -> _Running:
        if self._parts is None:
            raise RuntimeError("start comes first")
        return self._parts

    def _sleep(self, left_s: float) -> None:
        """Until somebody answers, or there may be something else to do."""
        seconds = min(left_s, _SHORTEST_SLEEP_S if self._running.endings else _LONGEST_SLEEP_S)
        references = self._running.staff.roster.references()
        if references:
            ray.wait(references, num_returns=1, timeout=seconds)
        else:
            time.sleep(seconds)

    def _look_at_replicas(self) -> None:
        """Ask those that were not asked for a while what they are at; tell of those whose nodes drain."""
        now = time.monotonic()
        draining = self._running.nodes.draining()
        for replica in self._running.staff.roster:
            if not replica.has_joined:
                continue
            if replica.node in draining and not replica.is_said_to_drain:
                replica.is_said_to_drain = True
                self._outbox.put(replica.name, Draining(replica.name))
            if replica.gaze is None and now - replica.gazed_at >= self._look_interval_s(replica):
                replica.gaze, replica.gazed_at = replica.actor.look.remote(), now

    def _look_interval_s(self, replica: Pooled) -> float:
        # An idle replica has no answer pending that would tell of its end.
        return self._look_every_s if replica.held else _IDLE_LOOK_S

    def _check_start(self, now: float) -> None:
        """Warm replicas must be ready in time, once.

        Raises:
            ClusterUnavailable: They are not.
        """
        if self._start_deadline is None:
            return
        if all(replica.has_joined for replica in self._running.staff.roster):
            self._start_deadline = None
        elif now > self._start_deadline:
            raise ClusterUnavailable(
                f"the replicas were not ready after {self._start_timeout_s:.0f} s",
                where="cluster",
                hint="use fewer --replicas, or see whether the cluster has free cores and memory",
            )
