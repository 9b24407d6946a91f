"""Why a replica was lost, without Ray: reports that wait for an explanation, watched nodes, waits between starts."""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from threading import Event

import pytest

from farm.execution.actors import loss_reason
from farm.execution.pools import lost_replicas, node_watch
from farm.execution.pools.lost_replicas import LostReplicas, is_explained
from farm.execution.pools.members import PendingCall, PoolMember, ReplicaStarts
from farm.execution.pools.node_watch import DrainingNodes, NodeWatch, Survey, takes_connections
from farm.scheduling.units import Stage


class KnownNodes:
    """Nodes of which a test says what became of them."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.lost: set[str] = set()

    def ask(self, node: str) -> None:
        if node not in self.asked:
            self.asked.append(node)

    def is_lost(self, node: str) -> bool:
        return node in self.lost

    def forget(self, node: str) -> None:
        if node in self.asked:
            self.asked.remove(node)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [100.0]
    monkeypatch.setattr(lost_replicas.time, "monotonic", lambda: now[0])
    return now


def replica(name: str = "render-1", *, node: str = "far", tasks: tuple[str, ...] = ("a", "b")) -> PoolMember:
    member = PoolMember(name, Stage.RENDER, actor=None, set_up=None, node=node)
    member.pending.extend(PendingCall(key, result=None) for key in tasks)
    return member


def test_a_loss_on_another_node_waits_for_the_node_to_be_looked_at(clock: list[float]) -> None:
    nodes = KnownNodes()
    lost = LostReplicas(nodes, own_node="home")
    lost.add(replica(), is_explained=False, reason="it died")
    assert lost.due() == []
    clock[0] += 1.0
    nodes.lost.add("far")
    (report,) = lost.due()
    assert (report.tasks, report.explained) == (("a", "b"), True)
    assert nodes.asked == []
    assert not lost


def test_a_loss_that_no_node_explains_is_reported_after_a_moment(clock: list[float]) -> None:
    lost = LostReplicas(KnownNodes(), own_node="home")
    lost.add(replica(), is_explained=False, reason="it died")
    clock[0] += 1.4
    assert lost.due() == []
    clock[0] += 0.2
    (report,) = lost.due()
    assert not report.explained


@pytest.mark.parametrize(("node", "is_explained"), [("home", False), ("far", True), ("", False)])
def test_a_loss_that_needs_no_explanation_is_reported_at_once(node: str, is_explained: bool) -> None:
    nodes = KnownNodes()
    lost = LostReplicas(nodes, own_node="home")
    lost.add(replica(node=node), is_explained=is_explained, reason="it died")
    (report,) = lost.due()
    assert report.explained is is_explained
    assert nodes.asked == []


def test_a_node_is_asked_about_until_the_last_of_its_replicas_is_reported(clock: list[float]) -> None:
    nodes = KnownNodes()
    lost = LostReplicas(nodes, own_node="home")
    lost.add(replica("render-1"), is_explained=False, reason="it died")
    clock[0] += 1.0
    lost.add(replica("render-2"), is_explained=False, reason="it died")
    clock[0] += 0.6
    assert [report.replica for report in lost.due()] == ["render-1"]
    assert nodes.asked
    clock[0] += 1.0
    assert [report.replica for report in lost.due()] == ["render-2"]


def test_no_task_that_comes_too_late_is_lost(clock: list[float]) -> None:
    lost = LostReplicas(KnownNodes(), own_node="home")
    lost.add(replica(), is_explained=False, reason="it died")
    assert lost.late_task("render-1", "late") is None
    clock[0] += 2.0
    (report,) = lost.due()
    assert report.tasks == ("a", "b", "late")
    again = lost.late_task("render-1", "later")
    assert again is not None
    assert (again.tasks, again.explained) == (("later",), True)
    lost.drop("render-1")
    assert lost.late_task("render-1", "latest") is None
    with pytest.raises(ValueError, match="there is no replica render-9"):
        lost.late_task("render-9", "a")


def test_of_a_replica_that_we_ended_nothing_is_reported(clock: list[float]) -> None:
    lost = LostReplicas(KnownNodes(), own_node="home")
    lost.add(replica(), is_explained=False, reason="it died")
    lost.drop("render-1")
    clock[0] += 2.0
    assert lost.due() == []


def test_a_node_is_not_asked_about_for_a_replica_that_we_ended(clock: list[float]) -> None:
    nodes = KnownNodes()
    lost = LostReplicas(nodes, own_node="home")
    for name in ("render-1", "render-2"):
        lost.add(replica(name), is_explained=False, reason="it died")
    lost.drop("render-1")
    assert nodes.asked, "the other one waits for it"
    lost.drop("render-2")
    assert nodes.asked == []
    lost.drop("render-2")


def test_the_loss_of_a_replica_that_nobody_knows_is_not_reported() -> None:
    lost = LostReplicas(KnownNodes(), own_node="home")
    starting = PoolMember("render-1", Stage.RENDER, actor=None, set_up="pending")
    lost.add(starting, is_explained=False, reason="it died")
    assert lost.due() == []
    assert not lost


@pytest.fixture
def listening() -> Iterator[tuple[str, int]]:
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        host, port = server.getsockname()
        yield host, port


def until(condition: Callable[[], bool], *, within_s: float = 5.0) -> bool:
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.01)
    return False


def test_a_node_is_lost_that_is_dead_drains_or_takes_no_connections() -> None:
    silent = ("127.0.0.1", 1)
    survey = Survey(
        living={"well": ("10.0.0.1", 1), "drains": ("10.0.0.2", 1), "silent": silent},
        draining=frozenset({"drains"}),
    )
    with closing(NodeWatch(lambda: survey, answers=lambda address: address != silent)) as watch:
        for node in ("well", "drains", "silent", "dead"):
            watch.ask(node)
        assert until(lambda: all(watch.is_lost(node) for node in ("drains", "silent", "dead")))
        assert not watch.is_lost("well")
        assert watch.draining() == {"drains"}


def test_a_node_that_came_back_explains_no_later_loss() -> None:
    living: dict[str, tuple[str, int]] = {}
    rounds: list[int] = []

    def survey() -> Survey:
        rounds.append(len(living))
        return Survey(living=dict(living), draining=frozenset())

    with closing(NodeWatch(survey, answers=lambda address: True)) as watch:
        watch.ask("far")
        assert until(lambda: watch.is_lost("far"))
        watch.ask("far")
        assert watch.is_lost("far"), "somebody else asks about the same end of it"
        living["far"] = ("10.0.0.1", 1)
        watch.forget("far")
        assert not watch.is_lost("far")
        watch.ask("far")
        seen = len(rounds)
        assert until(lambda: len(rounds) >= seen + 3)
        assert not watch.is_lost("far")


def test_what_was_seen_of_a_node_before_it_was_asked_about_again_explains_nothing() -> None:
    asked, seen, asked_again = Event(), Event(), Event()
    gone = Survey(living={}, draining=frozenset())
    well = Survey(living={"far": ("10.0.0.1", 1)}, draining=frozenset())
    rounds: list[Survey] = []

    def survey() -> Survey:
        rounds.append(well)
        if seen.is_set() or not asked.is_set():
            return well
        seen.set()
        assert asked_again.wait(5.0)
        return gone

    with closing(NodeWatch(survey, answers=lambda address: True)) as watch:
        asked.set()
        watch.ask("far")
        assert seen.wait(5.0)
        watch.forget("far")
        watch.ask("far")
        count = len(rounds)
        asked_again.set()
        assert until(lambda: len(rounds) >= count + 3)
        assert not watch.is_lost("far")


def test_a_watch_outlives_a_head_that_does_not_answer() -> None:
    answers = [OSError("no answer"), RuntimeError("not connected")]

    def survey() -> Survey:
        if answers:
            raise answers.pop()
        return Survey(living={}, draining=frozenset())

    with closing(NodeWatch(survey)) as watch:
        watch.ask("dead")
        assert until(lambda: watch.is_lost("dead"))


def test_whether_a_node_can_be_reached_is_told_by_its_port(listening: tuple[str, int]) -> None:
    assert takes_connections(listening)
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        closed: tuple[str, int] = server.getsockname()
    assert not takes_connections(closed)


def test_replicas_that_die_before_they_join_are_replaced_ever_later_until_one_joins() -> None:
    starts = ReplicaStarts()
    assert [starts.name(Stage.RENDER), starts.name(Stage.FACE), starts.name(Stage.RENDER)] == [
        "render-1",
        "face-1",
        "render-2",
    ]
    waits = []
    for _ in range(12):
        starts.failed(Stage.RENDER)
        waits.append(starts.wait_s(Stage.RENDER))
    assert waits == [0, 0, 0, 0, 1, 2, 4, 8, 16, 30, 30, 30]
    assert starts.wait_s(Stage.FACE) == 0
    starts.succeeded(Stage.RENDER)
    assert starts.wait_s(Stage.RENDER) == 0
    starts.delay(Stage.FACE, until=5.0)
    assert starts.due(4.9) == []
    assert starts.due(5.0) == [Stage.FACE]
    assert starts.due(6.0) == []


def test_a_ray_that_does_not_say_which_nodes_drain_is_told_of_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(node_watch.ray._private.state, "state", object())
    nodes = DrainingNodes()
    with caplog.at_level(logging.WARNING):
        assert nodes.ids() == frozenset()
        assert nodes.ids() == frozenset()
    assert caplog.text.count("does not say which nodes drain") == 1


FIRST_LINE = "The actor died unexpectedly before finishing this task."
TELLING = "The actor is dead because its worker process has died. Worker exit type: SYSTEM_ERROR"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (f"{FIRST_LINE}\n\tclass_name: A\n{TELLING} Some common causes include: (1) many", TELLING),
        ("The actor 12ab is unavailable: Socket closed. It may be back.", None),
        (
            "The actor died because of an error raised in its creation task, \nTraceback\nKeyError: 'x'",
            "KeyError: 'x'",
        ),
        ("", "RayError"),
    ],
)
def test_the_telling_line_of_a_loss_is_its_reason(text: str, reason: str | None) -> None:
    from ray.exceptions import RayError

    assert loss_reason(RayError(text)) == (reason or text)


def test_a_dead_or_preempted_node_explains_a_loss_and_a_crash_does_not() -> None:
    from ray.exceptions import ActorDiedError, ActorUnavailableError, NodeDiedError, WorkerCrashedError

    preempted = ActorDiedError()
    preempted._preempted = True
    assert is_explained(preempted)
    assert is_explained(NodeDiedError("gone"))
    assert not is_explained(ActorDiedError())
    assert not is_explained(WorkerCrashedError())
    assert not is_explained(ActorUnavailableError("Socket closed", None))
