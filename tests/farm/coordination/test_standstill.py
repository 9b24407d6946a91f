"""A farm on which nothing can run says so."""

from __future__ import annotations

import math

from small_farm import SmallFarm

from farm.coordination.alarm import StandstillAlarm
from farm.coordination.coordinator import FarmCoordinator
from farm.coordination.state import Unwatched
from farm.execution.pools.backend import NoPools
from jobs.errors import StoreUnavailable
from jobs.lifecycle import SegmentState


class Listening(Unwatched):
    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, job: str, message: str) -> None:
        self.notes.append(message)


def opened(farm: SmallFarm, name: str, *, now: list[float], watcher: Listening) -> FarmCoordinator:
    """A farm without replicas, with everything ready for the job's first windows."""
    coordinator = FarmCoordinator(
        services=farm.services,
        journal=farm.journal,
        backend=NoPools(),
        rules=farm.rules,
        pools=farm.pools,
        watcher=watcher,
        owner="a test",
        clock=lambda: now[0],
    )
    while name not in coordinator.state.runs or coordinator.state.runs[name].open is None:
        now[0] += 0.01
        coordinator.step()
    return coordinator


def test_a_job_that_gave_a_segment_up_waits_for_the_others_all_the_same(farm: SmallFarm) -> None:
    name, now, ear = farm.submit(scheduling={"on_quarantine": "hold"}), [0.0], Listening()
    coordinator = opened(farm, name, now=now, watcher=ear)
    entry = coordinator.state.scheduler.jobs[name]
    alarm = StandstillAlarm()
    ear.notes.clear()
    for given_up, told in ((1, 1), (len(entry.states), 0)):
        entry.counts.clear()
        entry.counts[SegmentState.QUARANTINED] = given_up
        for _ in range(2):
            now[0] += 100.0
            alarm.look(coordinator.state, now=now[0])
        assert len(ear.notes) == told
        ear.notes.clear()
    coordinator.close()


def test_jobs_that_wait_while_no_replica_comes_are_told_once_a_minute(farm: SmallFarm) -> None:
    name, now, ear = farm.submit(), [0.0], Listening()
    coordinator = opened(farm, name, now=now, watcher=ear)
    ear.notes.clear()
    for _ in range(30):
        now[0] += 5.0
        coordinator.step()
    coordinator.close()
    assert len(ear.notes) == 2
    assert "nothing has run for a minute although 1 jobs wait" in ear.notes[0]
    assert "0 render" in ear.notes[0]


def test_the_alarm_names_what_does_not_answer(farm: SmallFarm) -> None:
    name, now, ear = farm.submit(), [0.0], Listening()
    coordinator = opened(farm, name, now=now, watcher=ear)
    patience = coordinator.state.runs[name].patience
    patience.error = StoreUnavailable("S3 answered SlowDown", where="renders/a", code="store_busy")
    patience.until = math.inf
    alarm = StandstillAlarm()
    for _ in range(2):
        now[0] += 100.0
        alarm.look(coordinator.state, now=now[0])
    coordinator.close()
    assert "[store_busy] renders/a: S3 answered SlowDown" in ear.notes[-1]
