"""A pool of Ray actors that judge pairs, one pair at a time each.

A dead actor is replaced; what it held comes back as lost, and the caller decides about another attempt.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any

import ray
from ray.exceptions import RayError, RayTaskError

from farm.config import ReplicaShare
from farm.crashes import last_line, traceback_of
from farm.evaluation.judge import PairJudge
from farm.evaluation.records import Result
from farm.evaluation.worker import Judged, JudgeDied, PairTask, PairWorker, WorkSetup
from farm.execution.actors import end_actor, loss_reason, start_actor
from jobs.errors import ClusterUnavailable, ReplicaLost

logger = logging.getLogger(__name__)


class JudgeActor:
    """The process around one `PairWorker`."""

    def __init__(self, *, judge: PairJudge, setup: WorkSetup) -> None:
        self._worker = PairWorker(judge=judge, setup=setup)

    def ready(self) -> bool:
        """Answers once the process is there."""
        return True

    def perform(self, task: PairTask) -> Result:
        """See `PairWorker.perform`."""
        return self._worker.perform(task)


class JudgePool:
    """Actors on the Ray cluster that this process is connected to."""

    def __init__(
        self,
        *,
        judge: PairJudge,
        setup: WorkSetup,
        workers: int,
        share: ReplicaShare,
        start_timeout_s: float = 300.0,
    ) -> None:
        """Args: share: what each of the workers books."""
        self._judge, self._setup, self._share = judge, setup, share
        self._start_timeout_s = start_timeout_s
        self._idle: list[Any] = []
        self._busy: dict[Any, tuple[Any, PairTask]] = {}
        self._waiting: deque[PairTask] = deque()
        self._workers = workers

    def start(self) -> None:
        """Start the actors; returns when the first is there.

        Raises:
            ClusterUnavailable: None came.
        """
        self._idle = [self._start_actor() for _ in range(self._workers)]
        there, _ = ray.wait(
            [actor.ready.remote() for actor in self._idle], num_returns=1, timeout=self._start_timeout_s
        )
        if not there:
            raise ClusterUnavailable(
                f"no worker was ready after {self._start_timeout_s:.0f} s",
                where="cluster",
                hint="use fewer spec.workers, or see whether the cluster has free cores and memory",
            )

    def submit(self, task: PairTask) -> None:
        """Take a task; it starts when an actor is free."""
        self._waiting.append(task)

    def wait(self, *, timeout_s: float) -> Sequence[Judged | JudgeDied]:
        """What happened since the last call; waits up to `timeout_s` for the first.

        Raises:
            ReplicaLost: A call could not be made at all.
        """
        while self._idle and self._waiting:
            actor, task = self._idle.pop(), self._waiting.popleft()
            self._busy[actor.perform.remote(task)] = (actor, task)
        if not self._busy:
            return []
        ray.wait(list(self._busy), num_returns=1, timeout=timeout_s)
        ready, _ = ray.wait(list(self._busy), num_returns=len(self._busy), timeout=0)
        return [self._harvest(ref) for ref in ready]

    def close(self) -> None:
        """Kill every actor. May be called at any time, also twice."""
        for actor in self._actors():
            end_actor(actor, name="a worker")
        self._idle, self._busy = [], {}

    def _actors(self) -> Iterator[Any]:
        yield from self._idle
        yield from (actor for actor, _ in self._busy.values())

    def _start_actor(self) -> Any:
        return start_actor(JudgeActor, share=self._share, judge=self._judge, setup=self._setup)

    def _harvest(self, ref: Any) -> Judged | JudgeDied:
        actor, task = self._busy.pop(ref)
        try:
            result = ray.get(ref)
        except RayTaskError as error:
            # Errors come back as values; an exception means that the call itself could not be made.
            end_actor(actor, name="a worker")
            raise ReplicaLost(
                f"a call failed outside the measures: {last_line(error)}",
                where=str(task),
                hint="do all nodes run the same version of the farm?",
                traceback=traceback_of(error),
            ) from error
        except RayError as error:
            reason = loss_reason(error)
            logger.info("the worker of %s is lost: %s", task, reason)
            end_actor(actor, name="a worker")
            self._idle.append(self._start_actor())
            return JudgeDied(task=task, reason=reason)
        self._idle.append(actor)
        return Judged(task=task, result=result)
