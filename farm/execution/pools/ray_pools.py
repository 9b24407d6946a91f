"""Pools of replicas as Ray actors, each pinned to its share of the machine.

Ray places processes and moves calls; it repeats nothing by itself. A replica that ends is replaced here; whether its
tasks are tried again is for others to decide. Every task ends in exactly one event, unless its replica was killed.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import ray

from farm.config import PoolSizes, share_machine
from farm.execution.calls import ReplicaSetup
from farm.execution.pools.answer_reader import AnswerReader
from farm.execution.pools.lost_replicas import LostReplicas
from farm.execution.pools.members import PendingCall, PoolMembers
from farm.execution.pools.messages import AnyTask, Draining, PoolEvent, PoolEventQueue
from farm.execution.pools.node_watch import ClusterSurvey, NodeWatch
from farm.execution.pools.replica_actors import ReplicaSupervisor
from farm.execution.replica import KEPT_SUBJECTS
from farm.execution.stages import StageFactory
from farm.execution.whole_work import WholeWork
from farm.scheduling.units import RENDER_STAGES, Stage
from jobs.errors import ClusterUnavailable

_IDLE_POLL_S = 5.0
_LONGEST_SLEEP_S = 0.5
_SHORTEST_SLEEP_S = 0.05


@dataclass(frozen=True, slots=True)
class _Running:
    """What there is once the pools have started."""

    nodes: NodeWatch
    lost: LostReplicas
    supervisor: ReplicaSupervisor
    answers: AnswerReader


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
        poll_every_s: float = 1.0,
        whole: WholeWork | None = None,
    ) -> None:
        """Say what the pools are made of; `start` makes them.

        Args:
            stages: What replicas load.
            cores, gpus: What the cluster offers; every replica gets an equal share of it.
            kept_subjects: Subjects that a replica keeps loaded.
            start_timeout_s: How long warm replicas may take to join.
            poll_every_s: How often a busy replica is asked for its progress.
            whole: Does jobs in one piece.
        """
        self._whole, self._sizes, self._started = whole, PoolSizes(), set[Stage]()
        self._stages, self._cores, self._gpus = stages, cores, gpus
        self._kept_subjects = kept_subjects
        self._start_timeout_s, self._poll_every_s = start_timeout_s, poll_every_s
        self._start_deadline: float | None = None
        self._events = PoolEventQueue()
        self._parts: _Running | None = None

    def start(self, pools: PoolSizes, *, warm: ReplicaSetup | None = None) -> int:
        """See `PoolBackend.start`."""
        if self._parts is not None:
            raise RuntimeError("the pools have started")
        if warm is not None:
            self._start_deadline = time.monotonic() + self._start_timeout_s
        nodes = NodeWatch(ClusterSurvey())
        lost = LostReplicas(nodes, own_node=str(ray.get_runtime_context().get_node_id()))
        supervisor = ReplicaSupervisor(
            stages=self._stages,
            share=share_machine(cores=self._cores, gpus=self._gpus, replicas=pools.total),
            kept_subjects=self._kept_subjects,
            warm=warm,
            lost=lost,
            whole=self._whole,
        )
        self._sizes = pools
        self._parts = _Running(nodes, lost, supervisor, AnswerReader(supervisor, self._events))
        for stage in RENDER_STAGES:
            self.start_stage(stage)
        return len(list(supervisor.members))

    def start_stage(self, stage: Stage) -> None:
        """See `PoolBackend.start_stage`."""
        if stage not in self._started:
            self._started.add(stage)
            for _ in range(self._sizes.by_stage().get(stage, 0)):
                self._running.supervisor.start(stage)

    def submit(self, replica: str, task: AnyTask) -> None:
        """See `PoolBackend.submit`. A task for a replica whose `Gone` was reported already gets one of its own.

        Raises:
            ValueError: There never was such a replica, or another task of that key is not over.
        """
        if self._members.holding(task.key):
            raise ValueError(f"a task {task.key} is not over")
        member = self._members.find(replica)
        if member is not None:
            self._members.hold(member, PendingCall(task.key, member.actor.perform.remote(task)))
            self._running.answers.begin_oldest(member)
            return
        report = self._running.lost.late_task(replica, task.key)
        if report is not None:
            self._events.put(replica, report)

    def recall(self, key: str) -> None:
        """See `PoolBackend.recall`. A task whose `Began` was reported is not taken back."""
        found = self._members.holding(key)
        if found is not None and not found[1].has_begun:
            member, call = found
            call.recalls.add(member.actor.recall.remote(key))

    def stop(self, key: str) -> None:
        """See `PoolBackend.stop`. A task that has not begun never will."""
        found = self._members.holding(key)
        if found is not None:
            member = found[0]
            member.stops[member.actor.stop.remote(key)] = key

    def kill(self, replica: str) -> None:
        """See `PoolBackend.kill`. Of a replica that ended by itself, what was not yet reported never will be."""
        member = self._members.find(replica)
        self._running.lost.drop(replica)
        self._events.drop(replica)
        if member is not None:
            self._running.supervisor.replace(member)

    def retire(self, replica: str) -> None:
        """See `PoolBackend.retire`. If it still holds tasks, a `Gone` names them after all."""
        member = self._members.find(replica)
        if member is not None and member.pending:
            self._running.supervisor.end(member, is_explained=True, reason="it was retired")
        else:
            self.kill(replica)

    def wait(self, *, timeout_s: float) -> Sequence[PoolEvent]:
        """See `PoolBackend.wait`."""
        deadline = time.monotonic() + timeout_s
        while True:
            self._running.answers.read()
            for report in self._running.lost.due():
                self._events.put(report.replica, report)
            self._running.supervisor.start_delayed()
            self._poll_members()
            now = time.monotonic()
            self._check_start(now)
            if self._events or now >= deadline:
                return self._events.take()
            self._sleep(deadline - now)

    def close(self) -> None:
        """Kill every actor; see `PoolBackend.close`."""
        if self._parts is not None:
            for member in self._members:
                self._parts.lost.drop(member.name)
            self._parts.supervisor.close()
            self._parts.nodes.close()
        self._events.take()

    @property
    def _running(self) -> _Running:
        if self._parts is None:
            raise RuntimeError("start comes first")
        return self._parts

    @property
    def _members(self) -> PoolMembers:
        return self._running.supervisor.members

    def _sleep(self, left_s: float) -> None:
        """Until somebody answers, or there may be something else to do."""
        seconds = min(left_s, _SHORTEST_SLEEP_S if self._running.lost else _LONGEST_SLEEP_S)
        references = self._members.references()
        if references:
            ray.wait(references, num_returns=1, timeout=seconds)
        else:
            time.sleep(seconds)

    def _poll_members(self) -> None:
        """Ask those that were not asked for a while for their progress; report those whose nodes drain."""
        now = time.monotonic()
        draining = self._running.nodes.draining()
        for member in self._members:
            if not member.has_joined:
                continue
            if member.node in draining and not member.is_drain_reported:
                member.is_drain_reported = True
                self._events.put(member.name, Draining(member.name))
            # An idle replica has no answer pending that would tell of its end.
            interval_s = self._poll_every_s if member.pending else _IDLE_POLL_S
            if member.progress_poll is None and now - member.polled_at >= interval_s:
                member.progress_poll, member.polled_at = member.actor.progress.remote(), now

    def _check_start(self, now: float) -> None:
        """Warm replicas must be ready in time, once.

        Raises:
            ClusterUnavailable: They are not.
        """
        if self._start_deadline is None:
            return
        if all(member.has_joined for member in self._members):
            self._start_deadline = None
        elif now > self._start_deadline:
            raise ClusterUnavailable(
                f"the replicas were not ready after {self._start_timeout_s:.0f} s",
                where="cluster",
                hint="use fewer --replicas, or see whether the cluster has free cores and memory",
            )
