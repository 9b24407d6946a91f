"""Replicas that have ended: why, as far as their nodes tell, and what becomes of tasks that come too late for them.

The report of an end that a node's death may explain waits a moment for the node to be looked at.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, replace
from typing import Protocol

from farm.execution.pools.messages import Gone
from farm.execution.pools.pooled import Pooled

logger = logging.getLogger(__name__)

EXPLANATION_S = 1.5
"""A node that has just died is known to be dead after this, or it lives."""


class Nodes(Protocol):
    """Who knows what became of a node; see `NodeWatch`."""

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
class _Ending:
    """An end that is not reported yet.

    Attributes:
        node: Where an explanation may be found; empty where there is none to find.
        is_known: Somebody has heard of the replica.
        since: Seconds of the monotonic clock.
    """

    report: Gone
    node: str
    is_known: bool
    since: float


class Endings:
    """Every replica that is not there any more is in exactly one of: to be reported, reported, ended by us."""

    def __init__(self, nodes: Nodes, *, own_node: str) -> None:
        """Args: own_node: the node of this process, whose death nobody would live to see."""
        self._nodes = nodes
        self._own_node = own_node
        self._unreported: dict[str, _Ending] = {}
        self._reported: dict[str, Gone] = {}
        self._ended_by_us: set[str] = set()

    def __bool__(self) -> bool:
        """Whether a report is due, or soon will be."""
        return bool(self._unreported)

    def add(self, replica: Pooled, *, is_explained: bool, reason: str) -> None:
        """A replica ended by itself, or because it is not to be trusted."""
        report = Gone(
            replica=replica.name,
            stage=replica.stage,
            tasks=replica.keys(),
            explained=is_explained,
            reason=reason,
        )
        node = "" if is_explained or replica.node == self._own_node else replica.node
        if node:
            self._nodes.ask(node)
        self._unreported[replica.name] = _Ending(report, node, replica.has_joined, time.monotonic())

    def silence(self, name: str) -> None:
        """We end a replica: nothing more is reported of it, and tasks for it come to nothing."""
        ending = self._unreported.pop(name, None)
        if ending is not None:
            self._forget_node(ending)
        self._reported.pop(name, None)
        self._ended_by_us.add(name)

    def due(self) -> list[Gone]:
        """Reports whose explanation is found, or was waited for long enough."""
        ready: list[Gone] = []
        for name, ending in list(self._unreported.items()):
            lost = bool(ending.node) and self._nodes.is_lost(ending.node)
            if ending.node and not lost and time.monotonic() - ending.since < EXPLANATION_S:
                continue
            del self._unreported[name]
            self._forget_node(ending)
            report = replace(ending.report, explained=ending.report.explained or lost)
            self._reported[name] = replace(report, tasks=())
            # One that never joined is known to nobody, unless somebody guessed its name.
            if ending.is_known or report.tasks:
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
            ending = self._unreported[name]
            ending.report = replace(ending.report, tasks=(*ending.report.tasks, key))
        elif name in self._reported:
            return replace(self._reported[name], tasks=(key,), explained=True)
        elif name not in self._ended_by_us:
            raise ValueError(f"there is no replica {name}")
        return None

    def _forget_node(self, over: _Ending) -> None:
        """Nobody asks about a node any more once the last end that it may explain is over."""
        if over.node and all(other.node != over.node for other in self._unreported.values()):
            self._nodes.forget(over.node)
