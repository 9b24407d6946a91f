"""Random users and random faults, with restarts in between: the farm keeps every promise at every turn."""

from __future__ import annotations

from pathlib import Path

import pytest
from held_background import HeldBackground
from postgresql_server import PostgresqlServer
from random_life import RandomLife, speak_all
from small_farm import SmallFarm

from farm.coordination import coordinator


def live(folder: Path, *, seed: int, steps: int, journal: str = "") -> None:
    life = RandomLife(folder / "farm", seed=seed, journal=journal)
    life.live(steps=steps)
    calm = SmallFarm(folder / "calm", replicas=1)
    speak_all(calm)
    for wish, _ in life.succeeded:
        calm.submit(wish.title, speech=wish.speech, takes=wish.takes)
    with calm.running(background=HeldBackground()) as running:
        running.run_until(lambda: running.is_idle)
    for wish, delivered in life.succeeded:
        assert len(delivered) == (1 if wish.asks else wish.takes)
        for take in delivered:
            assert life.farm.sha256(wish.title, take) == calm.sha256(wish.title, take)


@pytest.fixture(autouse=True)
def no_idle_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(coordinator, "_IDLE_S", 0.0)


@pytest.mark.parametrize("seed", [1])
def test_whatever_users_ask_and_whatever_breaks_the_farm_keeps_its_word(tmp_path: Path, seed: int) -> None:
    live(tmp_path, seed=seed, steps=60)


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("seed", range(100, 112))
def test_for_longer_the_farm_keeps_its_word(tmp_path: Path, seed: int) -> None:
    live(tmp_path, seed=seed, steps=200)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_with_its_journal_in_postgresql_the_farm_keeps_its_word(
    tmp_path: Path, postgresql: PostgresqlServer
) -> None:
    live(tmp_path, seed=7, steps=150, journal=postgresql.fresh_address("a_random_life"))
