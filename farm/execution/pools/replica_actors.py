"""Replicas as Ray actors: the process around one, and who starts them, ends them, and puts others in their places.

In each process one thread works and another answers, so that a busy replica can be asked.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from typing import Final

import ray
from ray.exceptions import RayError, RayTaskError

from farm.config import ReplicaShare
from farm.execution.actors import end_actor, loss_reason, start_actor
from farm.execution.calls import ReplicaFacts, ReplicaSetup
from farm.execution.pools.lost_replicas import LOSS_ERRORS, LostReplicas, is_explained
from farm.execution.pools.members import FAILED_STARTS_BEFORE_WAIT, PoolMember, PoolMembers, ReplicaStarts
from farm.execution.pools.messages import AnyTask
from farm.execution.replica import Ended, Replica
from farm.execution.stages import StageFactory
from farm.execution.whole_work import WholeWork
from farm.execution.work_watch import WorkProgress
from farm.scheduling.units import WHOLE_STAGES, Stage
from jobs.errors import FarmError, ReplicaLost

logger = logging.getLogger(__name__)

# Concurrency groups of the actor; each works in the order in which it is asked.
_THREADS: Final = {"work": 1, "control": 1}

# Failed starts in a row of replicas that load a job's subject before they join, until the job is told.
_WARM_STARTS = 3


@dataclass(frozen=True, slots=True)
class ReplicaReady:
    """A replica is ready; `node` is the hexadecimal id of its node."""

    facts: ReplicaFacts
    node: str


class ReplicaActor:
    """Its constructor loads nothing, so that every error comes from a call."""

    def __init__(
        self, *, stage: Stage, stages: StageFactory, kept_subjects: int, whole: WholeWork | None
    ) -> None:
        self._replica = Replica(stage=stage, stages=stages, kept_subjects=kept_subjects, whole=whole)

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
    def perform(self, task: AnyTask) -> Ended:
        """See `Replica.perform`."""
        return self._replica.perform(task)

    @ray.method(concurrency_group="control")
    def progress(self) -> WorkProgress:
        """See `Replica.progress`."""
        return self._replica.progress()

    @ray.method(concurrency_group="control")
    def recall(self, key: str) -> bool:
        """See `Replica.recall`."""
        return self._replica.recall(key)

    @ray.method(concurrency_group="control")
    def stop(self, key: str) -> bool:
        """See `Replica.stop`."""
        return self._replica.stop(key)


class ReplicaSupervisor:
    """Of all replicas of all stages, which are equal in what they book."""

    def __init__(
        self,
        *,
        stages: StageFactory,
        share: ReplicaShare,
        kept_subjects: int,
        warm: ReplicaSetup | None,
        lost: LostReplicas,
        whole: WholeWork | None = None,
    ) -> None:
        """Args: warm: what replicas load before they join."""
        self._whole = whole
        self._stages, self._share, self._kept_subjects, self._warm = stages, share, kept_subjects, warm
        self._lost = lost
        self._starts = ReplicaStarts()
        self.members = PoolMembers()

    def start(self, stage: Stage) -> None:
        """One more replica; while no node has room it waits for one."""
        actor = start_actor(
            ReplicaActor,
            share=self._share,
            threads=_THREADS,
            stage=stage,
            stages=self._stages,
            kept_subjects=self._kept_subjects,
            # What renders does without, and has less to be sent.
            whole=self._whole if stage in WHOLE_STAGES else None,
        )
        self.members.add(PoolMember(self._starts.name(stage), stage, actor, actor.set_up.remote(self._warm)))

    def start_delayed(self) -> None:
        """Start those that were delayed long enough."""
        for stage in self._starts.due(time.monotonic()):
            self.start(stage)

    def joined(self, member: PoolMember) -> None:
        """A replica got ready."""
        self._starts.succeeded(member.stage)

    def lose(self, member: PoolMember, error: RayError, *, reason: str = "") -> None:
        """A replica ended by itself: another takes its place at once, the report waits for the explanation.

        Args:
            error: What came in place of an answer.
            reason: One line for people, where the error has none.

        Raises:
            ReplicaLost: Replicas that load a setup before they join are lost as fast as they are replaced.
        """
        if not isinstance(error, (*LOSS_ERRORS, RayTaskError)):
            logger.warning("%s answered with %s, which is met as its end", member.name, type(error).__name__)
        reason = reason or loss_reason(error)
        if not member.has_joined:
            self._count_failed_start(member, error, reason=reason)
        self.end(member, is_explained=is_explained(error), reason=reason)

    def end(self, member: PoolMember, *, is_explained: bool, reason: str) -> None:
        """End a replica that is lost, or not to be trusted, report it, and start another."""
        logger.info("%s is replaced: %s", member.name, reason)
        self._lost.add(member, is_explained=is_explained, reason=reason)
        self.replace(member)

    def replace(self, member: PoolMember) -> None:
        """End a replica without a report, and start another."""
        self._end(member)
        wait_s = self._starts.wait_s(member.stage)
        if wait_s:
            self._starts.delay(member.stage, until=time.monotonic() + wait_s)
        else:
            self.start(member.stage)

    def close(self) -> None:
        """End all, and start no more."""
        for member in self.members:
            self._end(member)
        self._starts = ReplicaStarts()

    def _end(self, member: PoolMember) -> None:
        self.members.remove(member)
        end_actor(member.actor, name=member.name)

    def _count_failed_start(self, member: PoolMember, error: RayError, *, reason: str) -> None:
        count = self._starts.failed(member.stage)
        if self._warm is not None and count >= _WARM_STARTS:
            raise ReplicaLost(
                f"{count} replicas in a row died while they loaded their weights",
                where=f"{member.stage} pool",
                hint=f"use fewer --replicas if memory is short; Ray says: {reason}",
            ) from error
        if count >= FAILED_STARTS_BEFORE_WAIT:
            logger.warning(
                "%d %s replicas in a row died before they joined; the next starts in %.0f s; last: %s",
                count,
                member.stage,
                self._starts.wait_s(member.stage),
                reason,
            )
