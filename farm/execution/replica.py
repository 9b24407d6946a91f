"""A replica: one stage that works for whatever job comes. The same class serves every backend.

A renderer replica draws, encodes, verifies, inspects and commits; what leaves it is a record of a few kilobytes. What
it served before changes no byte of what it does next.
"""

from __future__ import annotations

import logging
import os
import time

from farm.execution.calls import ReplicaFacts, ReplicaSetup, Result, WholeDone
from farm.execution.loaded import SubjectCache
from farm.execution.pools.messages import (
    AnyTask,
    Finished,
    Refused,
    StoppedAsAsked,
    TakenBack,
    Task,
    WholeTask,
)
from farm.execution.refusals import refusal
from farm.execution.stages import StageFactory
from farm.execution.whole_work import WholeWork
from farm.execution.work_watch import StopAsked, WorkProgress, WorkWatch
from farm.scheduling.units import RENDER_STAGES, Stage
from farm.translation import translate

logger = logging.getLogger(__name__)

KEPT_SUBJECTS = 3
"""Subjects that a replica keeps loaded unless it is told otherwise."""

Ended = Finished | Refused | StoppedAsAsked | TakenBack
"""What a task can come to in a replica that lives."""


class Replica:
    """Hosts one stage. `set_up` first, then any number of `perform`, one at a time.

    `progress`, `recall` and `stop` may be called from another thread while a task runs.
    """

    def __init__(
        self,
        *,
        stage: Stage,
        stages: StageFactory,
        kept_subjects: int = KEPT_SUBJECTS,
        whole: WholeWork | None = None,
    ) -> None:
        self._stage = stage
        self._whole = whole
        self._device = "cpu"
        self._stages = stages
        self._kept_subjects = kept_subjects
        self._subjects: SubjectCache | None = None
        self._watch = WorkWatch()

    def set_up(self, *, gpus: tuple[str, ...], warm: ReplicaSetup | None = None) -> ReplicaFacts:
        """Get ready to work on the device this replica is pinned to.

        Args:
            gpus: The accelerator ids that it is pinned to; none means the CPU.
            warm: What to load already; with None the first task brings it.

        Raises:
            FarmError: The subject package or the weights of `warm` cannot be used.
        """
        device = self._device = "cuda" if gpus else "cpu"
        self.close()
        self._subjects = SubjectCache(
            stage=self._stage, stages=self._stages, device=device, keep=self._kept_subjects
        )
        notice = ""
        if warm is not None and self._stage in RENDER_STAGES:
            try:
                loaded, _ = self._subjects.get(warm)
                loaded.prepare(warm)
            except Exception as error:
                raise translate(error, where=f"{self._stage} replica") from error
            notice = loaded.notice
        return ReplicaFacts(
            stage=self._stage,
            device=device,
            gpus=gpus,
            pid=os.getpid(),
            notice=notice,
        )

    def perform(self, task: AnyTask) -> Ended:
        """Do the task. Errors come back as values: exceptions of unknown classes do not survive every transport.

        A segment can stop between two frames, a window or a face only before it begins; then nothing is committed.
        """
        if self._subjects is None:
            raise RuntimeError("set_up comes before perform")
        if not self._watch.begin(task.key):
            return TakenBack(task.key)
        started = time.perf_counter()
        notice, was_cold = "", False
        try:
            if isinstance(task, Task):
                loaded, was_cold = self._subjects.get(task.setup)
                self._watch.check()
                result: Result = loaded.perform(task.call, setup=task.setup, watch=self._watch)
                notice = loaded.notice if was_cold else ""
            else:
                result = self._perform_whole(task)
        except StopAsked:
            return StoppedAsAsked(task.key)
        except Exception as error:
            logger.info("%s failed", task.unit, exc_info=error)
            return refusal(error, task=task, seconds=time.perf_counter() - started)
        finally:
            self._watch.end()
        return Finished(
            key=task.key,
            result=result,
            seconds=time.perf_counter() - started,
            notice=notice,
            was_cold=was_cold,
        )

    def _perform_whole(self, task: WholeTask) -> WholeDone:
        if self._whole is None:
            raise RuntimeError("this replica does no jobs in one piece")
        return self._whole.perform(task.call, device=self._device, tell=self._watch.tell)

    def progress(self) -> WorkProgress:
        """What it is at now."""
        return self._watch.progress()

    def recall(self, key: str) -> bool:
        """Take a task back; False where it has begun."""
        return self._watch.withdraw(key)

    def stop(self, key: str) -> bool:
        """Ask a task to stop; True where it has not begun, and now never will."""
        return self._watch.ask_stop(key)

    def close(self) -> None:
        """Free what the stage holds; may be called twice."""
        if self._subjects is not None:
            self._subjects.close()


def try_stages(setup: ReplicaSetup, *, stages: StageFactory) -> list[str]:
    """Load on this machine what the replicas of a job would load, and let it go; returns what a person should know.

    Raises:
        FarmError: The subject package or the weights cannot be used.
    """
    notices = []
    for stage in RENDER_STAGES:
        replica = Replica(stage=stage, stages=stages)
        try:
            notices.append(replica.set_up(gpus=(), warm=setup).notice)
        finally:
            replica.close()
    return [notice for notice in dict.fromkeys(notices) if notice]
