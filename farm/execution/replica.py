"""A replica: one stage that works for whatever job comes. The same class serves every backend.

A renderer replica draws, encodes, verifies, inspects and commits; what leaves it is a record of a few kilobytes. What
it served before changes no byte of what it does next.
"""

from __future__ import annotations

import logging
import os
import time

from farm.execution.calls import ReplicaFacts, ReplicaSetup
from farm.execution.loaded import SubjectCache
from farm.execution.pools.messages import Finished, Refused, StoppedAsAsked, TakenBack, Task
from farm.execution.refusals import refusal
from farm.execution.stages import StageFactory
from farm.execution.work_watch import StopAsked, WorkProgress, WorkWatch
from farm.scheduling.units import Stage
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

    def __init__(self, *, stage: Stage, stages: StageFactory, kept_subjects: int = KEPT_SUBJECTS) -> None:
        self._stage = stage
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
        device = "cuda" if gpus else "cpu"
        self.close()
        self._subjects = SubjectCache(
            stage=self._stage, stages=self._stages, device=device, keep=self._kept_subjects
        )
        notice = ""
        if warm is not None:
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

    def perform(self, task: Task) -> Ended:
        """Do the task. Errors come back as values: exceptions of unknown classes do not survive every transport.

        A segment can stop between two frames, a window or a face only before it begins; then nothing is committed.
        """
        if self._subjects is None:
            raise RuntimeError("set_up comes before perform")
        if not self._watch.begin(task.key):
            return TakenBack(task.key)
        started = time.perf_counter()
        try:
            loaded, was_cold = self._subjects.get(task.setup)
            self._watch.check()
            result = loaded.perform(task.call, setup=task.setup, watch=self._watch)
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
            notice=loaded.notice if was_cold else "",
            was_cold=was_cold,
        )

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
    for stage in Stage:
        replica = Replica(stage=stage, stages=stages)
        try:
            notices.append(replica.set_up(gpus=(), warm=setup).notice)
        finally:
            replica.close()
    return [notice for notice in dict.fromkeys(notices) if notice]
