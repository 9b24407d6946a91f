"""Two farms on one journal: the later one takes over, the earlier one can write nothing more and ends."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from mortal_farm import FENCED, Life, Nursery, digests, opened_nursery
from small_farm import SmallFarm

from farm.ledger import Ledger, load_ledger
from infra.journal import open_journal
from jobs.errors import JournalFenced
from jobs.journal_events import event_from_json
from jobs.lifecycle import JobState

PACE_S = 0.4


@pytest.fixture(scope="module")
def nursery() -> Iterator[Nursery]:
    with opened_nursery() as opened:
        yield opened


def until(is_so: Callable[[], bool], *, within_s: float = 60.0) -> None:
    deadline = time.monotonic() + within_s
    while not is_so():
        assert time.monotonic() < deadline, "it does not come to that"
        time.sleep(0.02)


@pytest.mark.slow
@pytest.mark.chaos
def test_of_two_processes_the_later_one_does_the_work(nursery: Nursery, tmp_path: Path) -> None:
    (tmp_path / "calm").mkdir()
    assert nursery.live(tmp_path / "calm", log=tmp_path / "calm.log") == 0
    folder = tmp_path / "farm"
    folder.mkdir()
    logs = [tmp_path / "first.log", tmp_path / "second.log"]
    first = nursery.start(folder, log=logs[0], pace_s=PACE_S)
    until(lambda: len(Life.read(logs[0]).rendered) >= 2)
    second = nursery.start(folder, log=logs[1], pace_s=PACE_S)
    assert nursery.wait(second) == 0
    assert nursery.wait(first) == FENCED
    assert digests(folder / "out") == digests(tmp_path / "calm" / "out")
    lives = [Life.read(log) for log in logs]
    assert "after an append of take delivered" in lives[1].points
    # Beside what the first one was at when it was overtaken, nothing was done twice.
    assert len(lives[0].rendered) + len(lives[1].rendered) <= 4 + 1
    journal = open_journal(str(folder / "farm.sqlite"))
    entries = list(journal.read())
    assert [entry.epoch for entry in entries] == sorted(entry.epoch for entry in entries)
    assert {job.state for job in load_ledger(journal)[0].jobs.values()} == {JobState.SUCCEEDED}
    journal.close()


def test_of_two_threads_the_later_one_does_the_work(tmp_path: Path) -> None:
    farms = [SmallFarm(tmp_path / "farm", replicas=1, seconds_per_segment=PACE_S) for _ in range(2)]
    for farm in farms:
        farm.speak("hello.wav", seconds=4.2)
    name = farms[0].submit()
    ended: list[BaseException | None] = []

    def serve() -> None:
        try:
            farms[0].run()
        except JournalFenced as fenced:
            ended.append(fenced)
        else:
            ended.append(None)

    first = threading.Thread(target=serve)
    first.start()
    until(lambda: farms[1].renders() >= 1)
    farms[1].run()
    first.join(timeout=60)
    assert [type(error) for error in ended] == [JournalFenced]
    farm = farms[1]
    job = farm.job(name)
    assert job.state is JobState.SUCCEEDED
    assert job.delivered[1].sha256 == farm.sha256()
    assert farm.renders() <= 3 + 1
    events = [event_from_json(entry.body) for entry in farm.journal.read()]
    assert Ledger.fold(events, at=[entry.at for entry in farm.journal.read()]) == load_ledger(farm.journal)[0]


def test_a_request_is_answered_by_one_of_them(farm: SmallFarm) -> None:
    farm.speak("hello.wav", seconds=1.0)
    later = open_journal(farm.journal_address)
    with farm.running() as old:
        old.step()
        with farm.running(journal=later) as new:
            name = farm.submit()
            with pytest.raises(JournalFenced):
                old.run_until(lambda: False)
            assert farm.journal.answer_to(1) is None, "what the old one granted came to nothing"
            new.run_until(lambda: new.is_idle)
    assert farm.job(name).state is JobState.SUCCEEDED
    assert len(load_ledger(farm.journal)[0].jobs) == 1
    later.close()


def test_a_farm_without_work_ends_as_well_when_another_takes_over(tmp_path: Path) -> None:
    farm = SmallFarm(tmp_path / "farm")
    now = [0.0]
    with farm.running(clock=lambda: now[0]) as coordinator:
        coordinator.run_until(lambda: coordinator.is_idle)
        farm.journal.begin_epoch("another")
        now[0] += 10.0
        with pytest.raises(JournalFenced):
            coordinator.step()
