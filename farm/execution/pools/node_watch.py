"""Looks after the nodes in a thread of its own, so that a slow answer of the cluster's head delays nobody.

The loss of a replica is explained where its node is dead, drains, or does not take connections any more: the head
itself learns of a dead node only after several missed health checks, by default many seconds later.
"""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from threading import Event, Lock, Thread
from typing import Any

import ray
from ray.exceptions import RayError

logger = logging.getLogger(__name__)

Address = tuple[str, int]

_ROUND_S = 5.0
_URGENT_ROUND_S = 0.2
_PROBE_S = 0.25


@dataclass(frozen=True, slots=True)
class Survey:
    """The nodes at one moment, by hexadecimal id: where those that live can be reached, and which of them drain."""

    living: Mapping[str, Address]
    draining: frozenset[str]


class NodeWatch:
    """Which nodes drain, and what became of those that somebody asks about."""

    def __init__(
        self, survey: Callable[[], Survey], *, answers: Callable[[Address], bool] | None = None
    ) -> None:
        """Args: survey, answers: how to see all nodes, and whether one takes connections; called in the thread."""
        self._survey = survey
        self._answers = answers or takes_connections
        self._lock = Lock()
        self._draining: frozenset[str] = frozenset()
        # The value of a node is new each time that somebody begins to ask about it.
        self._asked: dict[str, object] = {}
        self._lost: set[str] = set()
        self._wake, self._closed = Event(), Event()
        self._thread = Thread(target=self._watch, name="node-watch", daemon=True)
        self._thread.start()

    def draining(self) -> frozenset[str]:
        """Nodes that drained when they were last looked at, some seconds ago at most."""
        with self._lock:
            return self._draining

    def ask(self, node: str) -> None:
        """Find out soon whether the node is lost, and remember it until `forget`."""
        with self._lock:
            self._asked.setdefault(node, object())
        self._wake.set()

    def is_lost(self, node: str) -> bool:
        """Whether the node was found dead, draining or silent since somebody asked about it."""
        with self._lock:
            return node in self._lost

    def forget(self, node: str) -> None:
        """Nobody wants to know any more: it may come back, and explains no loss of a replica then."""
        with self._lock:
            self._asked.pop(node, None)
            self._lost.discard(node)

    def close(self) -> None:
        """End the thread, or leave it behind where it does not end soon. May be called twice."""
        self._closed.set()
        self._wake.set()
        self._thread.join(timeout=2.0)

    def _watch(self) -> None:
        while not self._closed.is_set():
            self._wake.clear()
            with self._lock:
                asked = {node: since for node, since in self._asked.items() if node not in self._lost}
            try:
                survey = self._survey()
                lost = {node for node in asked if self._is_lost_in(survey, node)}
            except (RayError, OSError, RuntimeError) as error:
                # The head may be on its way back; what is known stays known.
                logger.debug("the nodes cannot be looked at: %s", error)
            else:
                with self._lock:
                    self._draining = survey.draining
                    # What was forgotten meanwhile was seen before it was asked about again.
                    self._lost |= {node for node in lost if self._asked.get(node) is asked[node]}
            self._wake.wait(_URGENT_ROUND_S if asked else _ROUND_S)

    def _is_lost_in(self, survey: Survey, node: str) -> bool:
        address = survey.living.get(node)
        return address is None or node in survey.draining or not self._answers(address)


def takes_connections(address: Address) -> bool:
    """Whether a node's raylet can still be reached."""
    try:
        socket.create_connection(address, timeout=_PROBE_S).close()
    except OSError:
        return False
    return True


class ClusterSurvey:
    """Sees the nodes of the cluster that this process is connected to."""

    def __init__(self) -> None:
        self._draining = DrainingNodes()

    def __call__(self) -> Survey:
        """The nodes now.

        Raises:
            RayError: The head does not answer.
            RuntimeError: This process is not connected any more.
        """
        if not ray.is_initialized():
            raise RuntimeError("not connected to a cluster")
        nodes: list[dict[str, Any]] = ray.nodes()  # type: ignore[no-untyped-call]
        living = {
            str(node["NodeID"]): (str(node["NodeManagerAddress"]), int(node["NodeManagerPort"]))
            for node in nodes
            if node["Alive"]
        }
        return Survey(living, self._draining.ids())


class DrainingNodes:
    """Which nodes will be taken back: the only question to Ray that it does not promise to answer.

    Ray Train finds preempted nodes by the same call. Where a later Ray lacks it, no node ever drains, which is said
    once: work on a node that is taken back is then lost with it, and done again.
    """

    def __init__(self) -> None:
        self._can_ask = True

    def ids(self) -> frozenset[str]:
        """Hexadecimal ids of the nodes that drain.

        Raises:
            RayError: The head does not answer now.
        """
        if not self._can_ask:
            return frozenset()
        try:
            return frozenset(ray._private.state.state.get_draining_nodes())  # noqa: SLF001
        except AttributeError:
            self._can_ask = False
            logger.warning("ray %s does not say which nodes drain; none is emptied in time", ray.__version__)
            return frozenset()
