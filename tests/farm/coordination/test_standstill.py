"""A farm on which nothing can run says so."""

from __future__ import annotations

from small_farm import SmallFarm

from farm.coordination.coordinator import FarmCoordinator
from farm.coordination.floor import Unwatched
from farm.execution.pools.no_pools import NoPools


class Listening(Unwatched):
    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, job: str, message: str) -> None:
        self.notes.append(message)


def test_jobs_that_wait_while_no_replica_comes_are_told_once_a_minute(farm: SmallFarm) -> None:
    name, now, ear = farm.submit(), [0.0], Listening()
    coordinator = FarmCoordinator(
        house=farm.house,
        journal=farm.journal,
        backend=NoPools(),
        rules=farm.rules,
        pools=farm.pools,
        watcher=ear,
        owner="a test",
        clock=lambda: now[0],
    )
    while name not in coordinator.floor.runs or coordinator.floor.runs[name].open is None:
        now[0] += 0.01
        coordinator.step()
    ear.notes.clear()
    for _ in range(30):
        now[0] += 5.0
        coordinator.step()
    coordinator.close()
    assert len(ear.notes) == 2
    assert "nothing has run for a minute although 1 jobs wait" in ear.notes[0]
    assert "0 render" in ear.notes[0]
