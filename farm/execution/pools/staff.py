"""Hires replicas as Ray actors, ends them, and puts others in their places."""

from __future__ import annotations

import logging
import time

from ray.exceptions import RayError, RayTaskError

from farm.config import ReplicaShare
from farm.execution.actors import dismiss, hire
from farm.execution.calls import ReplicaSetup
from farm.execution.pools.deaths import KNOWN_DEATHS, is_explained, reason_of_death
from farm.execution.pools.endings import Endings
from farm.execution.pools.hiring import PATIENCE, Hiring
from farm.execution.pools.pooled import Pooled
from farm.execution.pools.replica_actor import THREADS, ReplicaActor
from farm.execution.pools.roster import Roster
from farm.execution.stages_factory import StageFactory
from farm.scheduling.units import Stage
from jobs.errors import ReplicaLost

logger = logging.getLogger(__name__)

# Deaths in a row of replicas that load a job's subject before they join, until the job is told.
_STILLBORN_LIMIT = 3


class Staff:
    """All replicas of all stages, equal in what they book."""

    def __init__(
        self,
        *,
        stages: StageFactory,
        share: ReplicaShare,
        kept_subjects: int,
        warm: ReplicaSetup | None,
        endings: Endings,
    ) -> None:
        """Args: warm: what replicas load before they join."""
        self._stages, self._share, self._kept_subjects, self._warm = stages, share, kept_subjects, warm
        self._endings = endings
        self._hiring = Hiring()
        self.roster = Roster()

    def hire(self, stage: Stage) -> None:
        """One more replica; while no node has room it waits for one."""
        actor = hire(
            ReplicaActor,
            share=self._share,
            threads=THREADS,
            stage=stage,
            stages=self._stages,
            kept_subjects=self._kept_subjects,
        )
        arrival = actor.set_up.remote(self._warm)
        self.roster.add(Pooled(self._hiring.name(stage), stage, actor, arrival))

    def hire_due(self) -> None:
        """Hire those that were put off long enough."""
        for stage in self._hiring.due(time.monotonic()):
            self.hire(stage)

    def joined(self, replica: Pooled) -> None:
        """A replica got ready."""
        self._hiring.joined(replica.stage)

    def lose(self, replica: Pooled, error: RayError, *, reason: str = "") -> None:
        """A replica ended by itself: another takes its place at once, the report waits for the explanation.

        Args:
            error: What came in place of an answer.
            reason: One line for people, where the error has none.

        Raises:
            ReplicaLost: Replicas that load a setup before they join die as fast as they are replaced.
        """
        if not isinstance(error, (*KNOWN_DEATHS, RayTaskError)):
            logger.warning("%s answered with %s, which is met as its end", replica.name, type(error).__name__)
        reason = reason or reason_of_death(error)
        if not replica.has_joined:
            self._count_stillborn(replica, error, reason=reason)
        self.end(replica, is_explained=is_explained(error), reason=reason)

    def end(self, replica: Pooled, *, is_explained: bool, reason: str) -> None:
        """End a replica that is gone, or not to be trusted, report it, and hire another."""
        logger.info("%s is replaced: %s", replica.name, reason)
        self.dismiss(replica)
        self._endings.add(replica, is_explained=is_explained, reason=reason)
        self._hire_instead(replica.stage)

    def replace(self, replica: Pooled) -> None:
        """End a replica without a report, and hire another."""
        self.dismiss(replica)
        self._hire_instead(replica.stage)

    def dismiss(self, replica: Pooled) -> None:
        """End a replica."""
        self.roster.remove(replica)
        dismiss(replica.actor, name=replica.name)

    def close(self) -> None:
        """End all, and hire no more."""
        for replica in self.roster:
            self.dismiss(replica)
        self._hiring = Hiring()

    def _hire_instead(self, stage: Stage) -> None:
        wait_s = self._hiring.wait_s(stage)
        if wait_s:
            self._hiring.put_off(stage, until=time.monotonic() + wait_s)
        else:
            self.hire(stage)

    def _count_stillborn(self, replica: Pooled, error: RayError, *, reason: str) -> None:
        count = self._hiring.stillborn(replica.stage)
        if self._warm is not None and count >= _STILLBORN_LIMIT:
            raise ReplicaLost(
                f"{count} replicas in a row died while they loaded their weights",
                where=f"{replica.stage} pool",
                hint=f"use fewer --replicas if memory is short; Ray says: {reason}",
            ) from error
        if count >= PATIENCE:
            logger.warning(
                "%d %s replicas in a row died before they joined; the next starts in %.0f s; last: %s",
                count,
                replica.stage,
                self._hiring.wait_s(replica.stage),
                reason,
            )
