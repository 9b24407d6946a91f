"""Takes what replicas answer, and makes of it what happened. Each task comes to exactly one thing."""

from __future__ import annotations

import time
from typing import Any

import ray
from ray.exceptions import RayError, RayTaskError

from farm.crashes import last_line, traceback_of
from farm.execution.pools.event_queue import PoolEventQueue
from farm.execution.pools.messages import (
    Began,
    Finished,
    Joined,
    Refused,
    StoppedAsAsked,
    TakenBack,
    TaskAdvanced,
)
from farm.execution.pools.pooled import Pooled
from farm.execution.pools.replica_actor import ReplicaReady
from farm.execution.pools.staff import Staff
from farm.execution.work_watch import WorkProgress
from jobs.errors import FarmError, SegmentFailed


class Answering:
    """Between the replicas of the staff and the outbox."""

    def __init__(self, staff: Staff, outbox: PoolEventQueue) -> None:
        self._staff, self._outbox = staff, outbox

    def take(self) -> None:
        """Take every answer that is there; waits for none.

        Raises:
            FarmError: A replica cannot load what it shall load before it joins.
        """
        references = self._staff.roster.references()
        if not references:
            return
        ready = set(ray.wait(references, num_returns=len(references), timeout=0)[0])
        for replica in self._staff.roster:
            for take in (self._take_arrival, self._take_controls, self._take_work, self._take_gaze):
                if replica in self._staff.roster:
                    take(replica, ready)

    def begin_oldest(self, replica: Pooled) -> None:
        """The oldest task is what an actor works on, unless it is just being taken back."""
        if not replica.has_joined or not replica.held:
            return
        task = replica.held[0]
        if not task.has_begun and not task.recalls:
            task.has_begun = True
            replica.gazed_at = time.monotonic()
            self._outbox.put(replica.name, Began(task.key))

    def _take_arrival(self, replica: Pooled, ready: set[Any]) -> None:
        if replica.arrival not in ready:
            return
        try:
            arrival: Any = ray.get(replica.arrival)
        except RayTaskError as error:
            self._staff.lose(replica, error, reason=_not_an_answer(replica, error).message)
            return
        except RayError as error:
            self._staff.lose(replica, error)
            return
        if isinstance(arrival, FarmError):
            raise arrival
        assert isinstance(arrival, ReplicaReady)
        replica.arrival, replica.node, replica.gazed_at = None, arrival.node, time.monotonic()
        self._staff.joined(replica)
        self._outbox.put(replica.name, Joined(replica.name, replica.stage, arrival.facts))
        self.begin_oldest(replica)

    def _take_controls(self, replica: Pooled, ready: set[Any]) -> None:
        """Answers to recalls and stops: True says that the task had not begun, and never will."""
        for reference in [reference for reference in replica.stops if reference in ready]:
            key = replica.stops.pop(reference)
            task = replica.task(key)
            if _is_yes(reference) and task is not None:
                self._staff.roster.release(replica, task)
                self._outbox.put(replica.name, StoppedAsAsked(key))
        for task in list(replica.held):
            for reference in task.recalls & ready:
                task.recalls.discard(reference)
                if _is_yes(reference):
                    self._staff.roster.release(replica, task)
                    self._outbox.put(replica.name, TakenBack(task.key))
                    break
        self.begin_oldest(replica)

    def _take_work(self, replica: Pooled, ready: set[Any]) -> None:
        while replica.held and replica.held[0].work in ready:
            task = replica.held[0]
            try:
                ended: Any = ray.get(task.work)
            except RayTaskError as error:
                ended = Refused(
                    key=task.key,
                    error=_not_an_answer(replica, error),
                    seconds=0.0,
                    is_final=False,
                    is_replica_suspect=True,
                )
            except RayError as error:
                self._staff.lose(replica, error)
                return
            if isinstance(ended, TakenBack) and task.has_begun:
                # Withdrawn by a wish to stop, whose answer is on its way.
                ended = StoppedAsAsked(task.key)
            if not task.has_begun and isinstance(ended, (Finished, Refused)):
                self._outbox.put(replica.name, Began(task.key))
            self._staff.roster.release(replica, task)
            self._outbox.put(replica.name, ended)
            if isinstance(ended, Refused) and ended.is_replica_suspect:
                self._staff.end(replica, is_explained=True, reason=ended.error.message)
                return
            self.begin_oldest(replica)

    def _take_gaze(self, replica: Pooled, ready: set[Any]) -> None:
        if replica.gaze not in ready:
            return
        reference: Any = replica.gaze
        replica.gaze = None
        try:
            seen: Any = ray.get(reference)
        except RayError as error:
            # What a busy replica did last may be on its way still: its tasks tell of the end.
            if not replica.held:
                self._staff.lose(replica, error)
            return
        assert isinstance(seen, WorkProgress)
        before, replica.seen = replica.seen, seen
        task = replica.task(seen.key)
        if seen.shows_progress_since(before) and task is not None and task.has_begun:
            self._outbox.put(replica.name, TaskAdvanced(seen.key))


def _is_yes(reference: Any) -> bool:
    """No where the replica is gone, which its tasks tell of."""
    try:
        return bool(ray.get(reference))
    except RayError:
        return False


def _not_an_answer(replica: Pooled, error: RayTaskError) -> SegmentFailed:
    """Replicas return their errors as values; an exception means that the call itself could not be made."""
    return SegmentFailed(
        f"a call failed outside the stage: {last_line(error)}",
        where=f"{replica.stage} pool",
        hint="do all nodes run the same version of the farm?",
        traceback=traceback_of(error),
    )
