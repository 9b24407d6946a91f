"""Replicas that are lost: why, as far as Ray and their nodes tell, and what becomes of tasks that come too late.

The report of a loss that a node's death may explain waits a moment for the node to be looked at.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import Final, Protocol

from ray.exceptions import (
    ActorDiedError,
    ActorUnavailableError,
    LocalRayletDiedError,
    NodeDiedError,
    ObjectLostError,
    OutOfDiskError,
    OutOfMemoryError,
    RayActorError,
    RayError,
    RaySystemError,
    RuntimeEnvSetupError,
    WorkerCrashedError,
)

from farm.execution.pools.members import PoolMember
from farm.execution.pools.messages import Gone

EXPLANATION_S: Final = 1.5
"""A node that has just died is known to be dead after this, or it lives."""

_EXPLAINED: Final = (
    NodeDiedError,
    LocalRayletDiedError,
    ObjectLostError,  # the task was done, and its result lost with a node
    OutOfDiskError,
    RuntimeEnvSetupError,
)

LOSS_ERRORS: Final[tuple[type[RayError], ...]] = (
    *_EXPLAINED,
    ActorDiedError,
    ActorUnavailableError,  # perhaps only out of reach: it is ended all the same, so that nobody waits for it
    WorkerCrashedError,
    OutOfMemoryError,
    RaySystemError,
)
"""What Ray raises in place of an answer when a replica is lost. They share no base but the one of all errors of Ray,
some of which are no losses. Any other is met as a loss too: a replica that answers with it is of no use."""


def is_explained(error: RayError) -> bool:
    """Whether the error itself says that no task is to blame."""
    if isinstance(error, RayActorError) and error.preempted:
        return True
    return isinstance(error, _EXPLAINED) or "its node has died" in str(error)


class Nodes(Protocol):
    """Who knows what became of a node, such as a `NodeWatch`."""

    def ask(self, node: str) -> None:
        """Find out soon."""
        ...

    def is_lost(self, node: str) -> bool:
        """Whether it was found dead, draining or silent."""
        ...

    def forget(self, node: str) -> None:
        """Nobody wants to know any more."""
        ...


@dataclass(slots=True)
class _Loss:
    """A loss that is not reported yet.

    Attributes:
        node: Where an explanation may be found; empty where there is none to find.
        is_known: Somebody has heard of the replica.
        since: Seconds of the monotonic clock.
    """

    report: Gone
    node: str
    is_known: bool
    since: float


class LostReplicas:
    """Every replica that is not there any more is in exactly one of: to be reported, reported, ended by us."""

    def __init__(self, nodes: Nodes, *, own_node: str) -> None:
        """Args: own_node: the node of this process, whose death nobody would live to see."""
        self._nodes = nodes
        self._own_node = own_node
        self._unreported: dict[str, _Loss] = {}
        self._reported: dict[str, Gone] = {}
        self._ended_by_us: set[str] = set()

    def __bool__(self) -> bool:
        """Whether a report is due, or soon will be."""
        return bool(self._unreported)

    def add(self, member: PoolMember, *, is_explained: bool, reason: str) -> None:
        """A replica ended by itself, or because it is not to be trusted."""
        report = Gone(
            replica=member.name,
            stage=member.stage,
            tasks=member.keys(),
            explained=is_explained,
            reason=reason,
        )
        node = "" if is_explained or member.node == self._own_node else member.node
        if node:
            self._nodes.ask(node)
        self._unreported[member.name] = _Loss(report, node, member.has_joined, time.monotonic())

    def drop(self, name: str) -> None:
        """We end a replica: nothing more is reported of it, and tasks for it come to nothing."""
        loss = self._unreported.pop(name, None)
        if loss is not None:
            self._forget_node(loss)
        self._reported.pop(name, None)
        self._ended_by_us.add(name)

    def due(self) -> list[Gone]:
        """Reports whose explanation is found, or was waited for long enough."""
        ready: list[Gone] = []
        for name, loss in list(self._unreported.items()):
            is_node_lost = bool(loss.node) and self._nodes.is_lost(loss.node)
            if loss.node and not is_node_lost and time.monotonic() - loss.since < EXPLANATION_S:
                continue
            del self._unreported[name]
            self._forget_node(loss)
            report = replace(loss.report, explained=loss.report.explained or is_node_lost)
            self._reported[name] = replace(report, tasks=())
            # One that never joined is known to nobody, unless somebody guessed its name.
            if loss.is_known or report.tasks:
                ready.append(report)
        return ready

    def late_task(self, name: str, key: str) -> Gone | None:
        """Somebody submits to a replica that is not there: the task is named in its report, or in another one.

        Returns:
            The other report, where the first has been made already.

        Raises:
            ValueError: There never was such a replica.
        """
        if name in self._unreported:
            loss = self._unreported[name]
            loss.report = replace(loss.report, tasks=(*loss.report.tasks, key))
        elif name in self._reported:
            return replace(self._reported[name], tasks=(key,), explained=True)
        elif name not in self._ended_by_us:
            raise ValueError(f"there is no replica {name}")
        return None

    def _forget_node(self, over: _Loss) -> None:
        """Nobody asks about a node any more once the last loss that it may explain is over."""
        if over.node and all(other.node != over.node for other in self._unreported.values()):
            self._nodes.forget(over.node)
