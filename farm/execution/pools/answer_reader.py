"""Reads what replicas answer, and makes events of it. Each task comes to exactly one end."""

from __future__ import annotations

import time
from typing import Any

import ray
from ray.exceptions import RayError, RayTaskError

from farm.crashes import last_line, traceback_of
from farm.execution.pools.members import PoolMember
from farm.execution.pools.messages import (
    Began,
    Finished,
    Joined,
    PoolEventQueue,
    Refused,
    StoppedAsAsked,
    TakenBack,
    TaskAdvanced,
)
from farm.execution.pools.replica_actors import ReplicaReady, ReplicaSupervisor
from farm.execution.work_watch import WorkProgress
from jobs.errors import FarmError, SegmentFailed


class AnswerReader:
    """Between the replicas of a supervisor and the events."""

    def __init__(self, supervisor: ReplicaSupervisor, events: PoolEventQueue) -> None:
        self._supervisor, self._members, self._events = supervisor, supervisor.members, events

    def read(self) -> None:
        """Read every answer that is there; waits for none.

        Raises:
            FarmError: A replica cannot load what it shall load before it joins.
        """
        references = self._members.references()
        if not references:
            return
        ready = set(ray.wait(references, num_returns=len(references), timeout=0)[0])
        for member in self._members:
            for read in (self._read_set_up, self._read_controls, self._read_results, self._read_progress):
                if member in self._members:
                    read(member, ready)

    def begin_oldest(self, member: PoolMember) -> None:
        """The oldest task is what an actor works on, unless it is just being taken back."""
        if not member.has_joined or not member.pending:
            return
        call = member.pending[0]
        if not call.has_begun and not call.recalls:
            call.has_begun = True
            member.polled_at = time.monotonic()
            self._events.put(member.name, Began(call.key))

    def _read_set_up(self, member: PoolMember, ready: set[Any]) -> None:
        if member.set_up not in ready:
            return
        try:
            answer: Any = ray.get(member.set_up)
        except RayTaskError as error:
            self._supervisor.lose(member, error, reason=_not_an_answer(member, error).message)
            return
        except RayError as error:
            self._supervisor.lose(member, error)
            return
        if isinstance(answer, FarmError):
            raise answer
        assert isinstance(answer, ReplicaReady)
        member.set_up, member.node, member.polled_at = None, answer.node, time.monotonic()
        self._supervisor.joined(member)
        self._events.put(member.name, Joined(member.name, member.stage, answer.facts))
        self.begin_oldest(member)

    def _read_controls(self, member: PoolMember, ready: set[Any]) -> None:
        """Answers to recalls and stops: True says that the task had not begun, and never will."""
        for reference in [reference for reference in member.stops if reference in ready]:
            key = member.stops.pop(reference)
            call = member.call(key)
            if _is_yes(reference) and call is not None:
                self._members.release(member, call)
                self._events.put(member.name, StoppedAsAsked(key))
        for call in list(member.pending):
            for reference in call.recalls & ready:
                call.recalls.discard(reference)
                if _is_yes(reference):
                    self._members.release(member, call)
                    self._events.put(member.name, TakenBack(call.key))
                    break
        self.begin_oldest(member)

    def _read_results(self, member: PoolMember, ready: set[Any]) -> None:
        while member.pending and member.pending[0].result in ready:
            call = member.pending[0]
            try:
                ended: Any = ray.get(call.result)
            except RayTaskError as error:
                ended = Refused(
                    key=call.key,
                    error=_not_an_answer(member, error),
                    seconds=0.0,
                    is_replica_suspect=True,
                )
            except RayError as error:
                self._supervisor.lose(member, error)
                return
            if isinstance(ended, TakenBack) and call.has_begun:
                # Withdrawn by a wish to stop, whose answer is on its way.
                ended = StoppedAsAsked(call.key)
            if not call.has_begun and isinstance(ended, (Finished, Refused)):
                self._events.put(member.name, Began(call.key))
            self._members.release(member, call)
            self._events.put(member.name, ended)
            if isinstance(ended, Refused) and ended.is_replica_suspect:
                self._supervisor.end(member, is_explained=True, reason=ended.error.message)
                return
            self.begin_oldest(member)

    def _read_progress(self, member: PoolMember, ready: set[Any]) -> None:
        if member.progress_poll not in ready:
            return
        reference: Any = member.progress_poll
        member.progress_poll = None
        try:
            seen: Any = ray.get(reference)
        except RayError as error:
            # What a busy replica did last may be on its way still: its tasks tell of the end.
            if not member.pending:
                self._supervisor.lose(member, error)
            return
        assert isinstance(seen, WorkProgress)
        before, member.progress = member.progress, seen
        call = member.call(seen.key)
        if seen.shows_progress_since(before) and call is not None and call.has_begun:
            self._events.put(member.name, TaskAdvanced(seen.key, seen.step))


def _is_yes(reference: Any) -> bool:
    """No where the replica is gone, which its tasks tell of."""
    try:
        return bool(ray.get(reference))
    except RayError:
        return False


def _not_an_answer(member: PoolMember, error: RayTaskError) -> SegmentFailed:
    """Replicas return their errors as values; an exception means that the call itself could not be made."""
    return SegmentFailed(
        f"a call failed outside the stage: {last_line(error)}",
        where=f"{member.stage} pool",
        hint="do all nodes run the same version of the farm?",
        traceback=traceback_of(error),
    )
