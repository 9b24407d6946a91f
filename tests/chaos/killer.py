"""A killer with a seed: at certain points of the work it ends replicas, kills nodes hard, and takes nodes back."""

from __future__ import annotations

import os
import queue
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from noted_pools import Hit, NotedPools
from stormy_cluster import StormyCluster, lives, soon

DRAIN_S = 6.0
"""Notice that is given before a node is taken back."""


class Deed(StrEnum):
    """What the killer does."""

    REPLICA = "SIGKILL of a replica"
    NODE = "hard kill of a node"
    DRAIN = "drain of a node, then its kill"


@dataclass(frozen=True, slots=True)
class Planned:
    """A deed, once so many segments are finished."""

    at_segment: int
    deed: Deed


def plan_deeds(*, seed: int, segments: int, kills: int = 6) -> list[Planned]:
    """One hard kill of a node, one drain, and SIGKILLs of replicas, spread over the first four fifths of the work."""
    chance = random.Random(seed)
    deeds = [Deed.NODE, Deed.DRAIN, *[Deed.REPLICA] * (kills - 2)]
    chance.shuffle(deeds)
    moments = sorted(chance.sample(range(1, max(segments * 4 // 5, kills + 1)), kills))
    return [Planned(moment, deed) for moment, deed in zip(moments, deeds, strict=True)]


class Killer:
    """Works in a thread of its own while the farm runs; `watch` is told of the work, `close` waits for the last deed.

    A segment whose replicas were lost twice is spared: a third loss, alone on a fresh replica, is what the farm takes
    as proof against a segment, whoever was the murderer.

    Attributes:
        done: How often each deed was done.
        faults: What went wrong with the killer itself.
    """

    def __init__(self, cluster: StormyCluster, *, seed: int, segments: int, kills: int = 6) -> None:
        self._cluster = cluster
        self._chance = random.Random(seed + 1_000_000)
        self._plan = plan_deeds(seed=seed, segments=segments, kills=kills)
        self._due: queue.Queue[Deed | None] = queue.Queue()
        self._condemned: set[str] = set()
        self._rebuilding: list[threading.Thread] = []
        self.pools: NotedPools | None = None
        self.done: Counter[Deed] = Counter()
        self.faults: list[BaseException] = []
        self._thread = threading.Thread(target=self._work, name="killer")
        self._thread.start()

    def watch(self, segments_done: int) -> None:
        """So many segments are finished."""
        while self._plan and self._plan[0].at_segment <= segments_done:
            self._due.put(self._plan.pop(0).deed)

    def close(self) -> None:
        """Let it end what it is at, and wait until every node is replaced; what is not begun stays undone."""
        self._due.put(None)
        self._thread.join()
        for thread in self._rebuilding:
            thread.join()
        if self.faults:
            raise self.faults[0]

    def _work(self) -> None:
        while (deed := self._due.get()) is not None:
            try:
                # Anywhere in a segment: while it is drawn, encoded, checked or committed.
                time.sleep(self._chance.uniform(0.0, 0.4))
                self._do(deed)
            except Exception as error:  # noqa: BLE001 - raised by close, in the thread of the test
                self.faults.append(error)

    def _do(self, deed: Deed) -> None:
        victim = self._victim()
        if victim is None:
            return
        if deed is Deed.REPLICA:
            os.kill(victim.pid, signal.SIGKILL)
        else:
            node = self._cluster.node_of(victim.pid)
            if node is None or node in self._condemned:
                # It goes already.
                self._due.put(deed)
                return
            self._condemned.add(node)
            rebuild = self._kill_node if deed is Deed.NODE else self._drain_node
            thread = threading.Thread(target=self._guarded, args=(rebuild, node), name="rebuild")
            self._rebuilding.append(thread)
            thread.start()
        self.done[deed] += 1

    def _guarded(self, rebuild: Callable[[str], None], node: str) -> None:
        try:
            rebuild(node)
        except Exception as error:  # noqa: BLE001 - raised by close, in the thread of the test
            self.faults.append(error)

    def _kill_node(self, node: str) -> None:
        self._cluster.kill_node(node)
        self._cluster.replace_node(node)

    def _drain_node(self, node: str) -> None:
        self._cluster.drain_node(node, within_s=DRAIN_S)
        self._cluster.replace_node(node)
        time.sleep(DRAIN_S)
        if node in self._cluster.nodes():
            self._cluster.kill_node(node)

    def _victim(self) -> Hit | None:
        """A replica that works, if any does; renderers come first."""
        found: list[Hit] = []

        def look() -> bool:
            found[:] = self._choices()
            return bool(found)

        if not soon(look, within_s=10.0, every_s=0.02):
            return None
        return self._chance.choice(found)

    def _choices(self) -> list[Hit]:
        assert self.pools is not None
        strikes = self.pools.strikes
        living = [
            hit
            for hit in self.pools.living()
            if lives(hit.pid) and (hit.work is None or strikes.get(hit.work, 0) < 2)
        ]
        working = [hit for hit in living if hit.work is not None]
        renderers = [hit for hit in working if hit.replica.startswith("render")]
        if renderers and self._chance.random() < 0.85:
            return renderers
        return working
