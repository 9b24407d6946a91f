"""Real Ray actors that are killed, crash, hang, are asked to stop; small stages. One cluster for the module."""

from __future__ import annotations

import logging
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from driven_pools import DrivenPools, Tasks
from fake_stages import FakeStages, Fault

from farm.execution.pools.messages import (
    Began,
    Finished,
    Gone,
    Joined,
    Refused,
    StoppedAsAsked,
    TakenBack,
    TaskAdvanced,
)
from farm.scheduling.units import RENDER_STAGES, Stage
from jobs.errors import ClusterUnavailable, ReplicaLost

pytestmark = [pytest.mark.ray, pytest.mark.timeout(240)]

StartPools = Callable[..., DrivenPools]

FRAMES = 50


def slow_stages(stages: FakeStages, *faults: Fault, seconds: float = 10.0) -> FakeStages:
    """Stages whose segments take this long, a pause before every frame."""
    return FakeStages.in_folder(stages.folder, faults=faults, seconds_per_segment=seconds)


def lives(pid: int) -> bool:
    """Whether a process is there and has not ended; one that ended but is not reaped yet counts as gone."""
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False


def test_a_busy_replica_can_be_looked_at_recalled_from_stopped_and_killed(
    start_ray: StartPools, tasks: Tasks, stages: FakeStages
) -> None:
    pools = start_ray(made_of=slow_stages(stages), poll_every_s=0.2)
    running, waiting, after = (tasks.segment(index, frames=FRAMES) for index in range(3))
    replica = pools.replica()
    for task in (running, waiting, after):
        pools.backend.submit(replica, task)
    pools.until(lambda: len(pools.of(TaskAdvanced)) >= 2)
    assert {advanced.key for advanced in pools.of(TaskAdvanced)} == {running.key}
    pools.backend.recall(running.key)
    pools.backend.recall(waiting.key)
    assert pools.end(waiting.key, within_s=5.0) == TakenBack(waiting.key)
    assert pools.ends(running.key) == [], "it is too late for the running one"
    pools.backend.stop(running.key)
    assert pools.end(running.key, within_s=5.0) == StoppedAsAsked(running.key)
    assert tasks.committed(running) is None
    pools.until(lambda: Began(after.key) in pools.happened)
    os.kill(pools.pid(replica), signal.SIGKILL)
    gone = pools.end(after.key, within_s=10.0)
    assert (gone.replica, gone.tasks, gone.explained) == (replica, (after.key,), False)
    assert pools.joined(count=2)[-1].replica == "render-2"


@pytest.mark.slow
def test_progress_is_asked_for_at_most_as_often_as_wanted(
    start_ray: StartPools, tasks: Tasks, stages: FakeStages
) -> None:
    pools = start_ray(made_of=slow_stages(stages, seconds=5.0))
    task = tasks.segment(0, frames=FRAMES)
    pools.backend.submit(pools.replica(), task)
    pools.end(task.key)
    assert 2 <= len(pools.of(TaskAdvanced)) <= 6


@pytest.mark.chaos
@pytest.mark.slow
@pytest.mark.parametrize("kind", ["kill", "segv"])
def test_a_crash_names_what_the_replica_held_the_running_task_first(
    start_ray: StartPools, tasks: Tasks, stages: FakeStages, kind: str
) -> None:
    pools = start_ray(made_of=slow_stages(stages, Fault(stage="render", frame=0, kind=kind), seconds=0.0))
    replica = pools.replica()
    held = [tasks.segment(index, frames=FRAMES) for index in range(3)]
    for task in held:
        pools.backend.submit(replica, task)
    gone = pools.end(held[0].key)
    assert isinstance(gone, Gone)
    assert gone.tasks == tuple(task.key for task in held)
    assert not gone.explained
    assert "died" in gone.reason
    pools.joined(count=2)
    for task in held:
        pools.backend.submit("render-2", task)
    for task in held:
        pools.until(lambda task=task: [told for told in pools.told(task.key) if isinstance(told, Finished)])
    assert [len(pools.ends(task.key)) for task in held] == [2, 2, 2], "one end for each time it was submitted"


@pytest.mark.chaos
@pytest.mark.slow
def test_a_replica_that_hangs_tells_its_progress_and_is_killed_by_name(
    start_ray: StartPools, tasks: Tasks, stages: FakeStages
) -> None:
    pools = start_ray(made_of=slow_stages(stages, Fault(stage="render", frame=0, kind="hang"), seconds=0.0))
    replica = pools.replica()
    hanging, waiting = tasks.segment(0), tasks.segment(1)
    pools.backend.submit(replica, hanging)
    pools.backend.submit(replica, waiting)
    pools.quiet(for_s=3.0)
    assert [type(told) for told in pools.told(hanging.key)] == [Began]
    pools.backend.recall(waiting.key)
    assert pools.end(waiting.key, within_s=5.0) == TakenBack(waiting.key)
    pools.backend.kill(replica)
    assert pools.joined(count=2)[-1].replica == "render-2"
    assert pools.of(Gone) == []
    assert not lives(pools.pid(replica))


@pytest.mark.chaos
@pytest.mark.slow
def test_a_disk_that_hangs_while_a_subject_is_loaded_is_no_standstill_of_the_segment(
    start_ray: StartPools, tasks: Tasks, stages: FakeStages
) -> None:
    hanging = slow_stages(stages, Fault(stage="load", frame=0, kind="hang"), seconds=0.0)
    pools = start_ray(made_of=hanging, poll_every_s=0.2)
    task = tasks.segment(0)
    pools.backend.submit(pools.replica(), task)
    pools.until(lambda: len(pools.of(TaskAdvanced)) >= 3, within_s=10.0)
    assert {advanced.key for advanced in pools.of(TaskAdvanced)} == {task.key}
    pools.backend.kill("render-1")


@pytest.mark.chaos
@pytest.mark.slow
def test_an_idle_replica_that_dies_is_noticed_and_replaced(start_ray: StartPools) -> None:
    pools = start_ray()
    os.kill(pools.pid(pools.replica()), signal.SIGKILL)
    pools.until(lambda: pools.of(Gone), within_s=15.0)
    assert pools.of(Gone)[0].tasks == ()
    pools.joined(count=2)


@pytest.mark.chaos
@pytest.mark.slow
def test_every_task_ends_exactly_once_whatever_is_killed(
    start_ray: StartPools, tasks: Tasks, stages: FakeStages
) -> None:
    faults = [Fault(stage="render", frame=10 * index, kind="kill") for index in range(0, 24, 7)]
    faults += [Fault(stage="render", frame=10 * index, kind="black") for index in range(3, 24, 7)]
    pools = start_ray(render=2, made_of=slow_stages(stages, *faults, seconds=0.1))
    wanted = [tasks.segment(index) for index in range(24)]
    waiting = list(wanted)
    room: dict[str, int] = {}
    holder: dict[str, str] = {}
    submitted = dict.fromkeys((task.key for task in wanted), 0)
    handled = 0
    deadline = time.monotonic() + 200
    while len(pools.of(Finished)) < len(wanted):
        assert time.monotonic() < deadline, pools.happened
        for event in pools.happened[handled:]:
            if isinstance(event, Joined):
                room[event.replica] = 2
            elif isinstance(event, Gone):
                del room[event.replica]
                waiting.extend(task for task in wanted if task.key in event.tasks)
            elif isinstance(event, (Finished, Refused)):
                room[holder[event.key]] += 1
                if isinstance(event, Refused):
                    waiting.extend(task for task in wanted if task.key == event.key)
        handled = len(pools.happened)
        for name in [name for name, slots in room.items() for _ in range(slots)]:
            if waiting:
                task = waiting.pop(0)
                room[name] -= 1
                holder[task.key] = name
                submitted[task.key] += 1
                pools.backend.submit(name, task)
        pools.turn()
    assert {key: len(pools.ends(key)) for key in submitted} == submitted
    assert all(tasks.committed(task) for task in wanted)


@pytest.mark.slow
def test_each_replica_is_pinned_to_one_of_two_gpus_and_is_gone_after_closing(start_ray: StartPools) -> None:
    pools = start_ray(render=4, gpus=2)
    facts = [joined.facts for joined in pools.joined(count=4)]
    assert {fact.device for fact in facts} == {"cuda"}
    assert sorted(fact.gpus for fact in facts) == [("0",), ("0",), ("1",), ("1",)]
    pids = {fact.pid for fact in facts}
    assert len(pids) == 4
    pools.backend.close()
    deadline = time.monotonic() + 20
    while any(lives(pid) for pid in pids) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not any(lives(pid) for pid in pids)


@pytest.mark.slow
def test_a_replacement_waits_for_room_and_the_others_go_on(
    start_ray: StartPools, tasks: Tasks, stages: FakeStages
) -> None:
    # Two GPUs, each booked whole: there is no room for a third replica anywhere.
    pools = start_ray(render=2, gpus=2)
    other = start_ray(render=2, gpus=2)
    pools.joined(count=2)
    other.quiet(for_s=3.0)
    assert other.of(Joined) == []
    pools.backend.submit("render-1", tasks.segment(0))
    assert isinstance(pools.end(tasks.segment(0).key), Finished)
    pools.backend.close()
    other.joined(count=2)


@pytest.mark.slow
def test_warm_replicas_that_die_while_loading_are_not_replaced_for_ever(
    start_ray: StartPools, tasks: Tasks, stages: FakeStages
) -> None:
    deadly = slow_stages(stages, Fault(stage="load", frame=0, kind="kill", times=99))
    pools = start_ray(made_of=deadly, warm=tasks.setup())
    with pytest.raises(ReplicaLost, match="3 replicas in a row"):
        pools.quiet(for_s=120.0)
    assert stages.noted("fault-kill-load") == 3


@pytest.mark.slow
def test_a_subject_that_kills_whoever_loads_it_is_named_each_time(
    start_ray: StartPools, tasks: Tasks, stages: FakeStages
) -> None:
    deadly = slow_stages(stages, Fault(stage="load", frame=0, kind="kill", times=99))
    pools = start_ray(made_of=deadly)
    for count in (1, 2):
        pools.backend.submit(pools.joined(count=count)[-1].replica, tasks.segment(0))
        pools.until(lambda count=count: len(pools.of(Gone)) == count)
    assert [gone.tasks for gone in pools.of(Gone)] == [(tasks.segment(0).key,)] * 2


@pytest.mark.slow
def test_replicas_that_never_get_ready_are_tried_ever_less_often(
    start_ray: StartPools,
    stages: FakeStages,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from farm.execution.pools import replica_actors

    class FailedStart(replica_actors.ReplicaActor):
        def __init__(self, **_: object) -> None:
            raise RuntimeError("no such device")

    started: list[float] = []

    def start_actor(kind: type, **arguments: Any) -> Any:
        started.append(time.monotonic())
        return really_start(FailedStart, **arguments)

    really_start = replica_actors.start_actor
    monkeypatch.setattr(replica_actors, "start_actor", start_actor)
    pools = start_ray()
    with caplog.at_level(logging.WARNING):
        pools.until(lambda: len(started) >= 7, within_s=120.0)
    assert pools.happened == []
    assert started[6] - started[5] >= 2.0 - 0.6
    assert "5 render replicas in a row died before they joined; the next starts in 1 s" in caplog.text
    assert "no such device" in caplog.text


@pytest.mark.slow
def test_warm_replicas_for_which_there_is_no_room_are_not_waited_for_for_ever(
    start_ray: StartPools, tasks: Tasks
) -> None:
    holding = start_ray(render=2, gpus=2)
    holding.joined(count=2)
    pools = start_ray(render=2, gpus=2, warm=tasks.setup(), start_timeout_s=2.0)
    with pytest.raises(ClusterUnavailable, match="not ready after 2 s"):
        pools.quiet(for_s=30.0)


@pytest.mark.slow
def test_recovery_from_a_killed_replica_is_quick(
    start_ray: StartPools, tasks: Tasks, stages: FakeStages, capsys: pytest.CaptureFixture[str]
) -> None:
    """Prints how long it takes from SIGKILL to `Gone` and to the replacement; the median of five."""
    pools = start_ray(made_of=slow_stages(stages), warm=tasks.setup())
    seen, back = [], []
    for count in range(1, 6):
        replica = pools.joined(count=count)[-1].replica
        task = tasks.segment(count, frames=FRAMES)
        pools.backend.submit(replica, task)
        pools.until(lambda task=task: Began(task.key) in pools.happened)
        killed_at = time.monotonic()
        os.kill(pools.pid(replica), signal.SIGKILL)
        pools.end(task.key)
        seen.append(pools.when(Gone) - killed_at)
        pools.joined(count=count + 1)
        back.append(pools.when(Joined) - killed_at)
    with capsys.disabled():
        print(
            f"\nSIGKILL to Gone {sorted(seen)[2]:.2f} s, to a warm replacement {sorted(back)[2]:.2f} s",
            end=" ",
        )
    assert sorted(seen)[2] < 3.0


@pytest.mark.slow
def test_every_stage_of_the_pools_is_named_by_its_number(start_ray: StartPools) -> None:
    pools = start_ray(render=2, every_stage=True)
    for stage in RENDER_STAGES:
        pools.joined(stage, count=2 if stage is Stage.RENDER else 1)
    assert sorted(joined.replica for joined in pools.of(Joined)) == [
        "face-1",
        "motion-1",
        "render-1",
        "render-2",
    ]
