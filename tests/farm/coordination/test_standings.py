"""What the coordinator says of itself in the journal while it runs: that it is there, and what each job waits for."""

from __future__ import annotations

import pytest
from small_farm import SmallFarm

from farm.coordination import standing as module
from farm.coordination.standing import HeartbeatTexts, standing
from infra.journal.base import Heartbeat
from jobs.errors import JournalFenced
from jobs.lifecycle import JobState
from jobs.standings import Standings, standings_from_json


class TickingClock:
    """Every look at it is a second later, so that each turn of the loop gives a heartbeat."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 1.0
        return self.now


def last(farm: SmallFarm) -> tuple[Heartbeat, Standings]:
    beat = farm.journal.heartbeat()
    assert beat is not None
    return beat, standings_from_json(beat.body)


def test_a_farm_that_runs_says_where_its_jobs_stand_as_whoever_asks_is_told(farm: SmallFarm) -> None:
    names = [farm.submit(f"clip{number}", on_hold=True) for number in range(3)]
    with farm.running(clock=TickingClock()) as coordinator:
        coordinator.run_until(lambda: coordinator.is_idle)
        coordinator.step()
        beat, told = last(farm)
        assert told.owner == "a test"
        assert told.replicas == coordinator.state.scheduler.replica_count > 0
        assert sorted(told.jobs) == names
        for name in names:
            assert told.jobs[name] == standing(coordinator.state, name)
            assert told.jobs[name].code == "on_hold"
    assert beat.epoch == coordinator.state.writer.epoch


def test_a_heartbeat_is_written_anew_only_where_something_may_have_changed(farm: SmallFarm) -> None:
    farm.submit(on_hold=True)
    with farm.running() as coordinator:
        coordinator.run_until(lambda: coordinator.is_idle)
        texts = HeartbeatTexts(owner="x")
        said = [texts.next(coordinator.state) is not None for _ in range(12)]
    assert said == [True, *[False] * 9, True, False]


def test_of_very_many_jobs_those_are_told_whose_turn_comes_first(
    farm: SmallFarm, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_MOST_TOLD", 2)
    names = [farm.submit(f"clip{number}", on_hold=True) for number in range(4)]
    with farm.running() as coordinator:
        coordinator.run_until(lambda: coordinator.is_idle)
        text = HeartbeatTexts(owner="x").next(coordinator.state)
        assert text is not None
        first = sorted(names, key=coordinator.state.scheduler.turn)[:2]
    assert list(standings_from_json(text).jobs) == first


def test_whoever_is_no_longer_the_writer_finds_out_by_its_heartbeat(farm: SmallFarm) -> None:
    with farm.running(clock=TickingClock()) as coordinator:
        coordinator.step()
        farm.journal.begin_epoch("another")
        with pytest.raises(JournalFenced):
            coordinator.run_until(lambda: False)


@pytest.mark.parametrize(
    "body", ["{}", "[]", '{"schema_version": "farm.standings/v9", "jobs": {"a": 1}}', "x"]
)
def test_a_heartbeat_of_another_version_tells_nothing_and_breaks_nothing(body: str) -> None:
    assert standings_from_json(body).jobs == {}


def test_a_farm_goes_on_where_it_cannot_say_where_its_jobs_stand(
    farm: SmallFarm, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("nobody foresaw it")

    monkeypatch.setattr(module, "standing", fail)
    name = farm.submit()
    with farm.running(clock=TickingClock()) as coordinator:
        coordinator.run_until(lambda: coordinator.is_idle)
    assert farm.job(name).state is JobState.SUCCEEDED
    assert last(farm)[0].epoch == 1
    assert "where jobs stand cannot be told: RuntimeError: nobody foresaw it" in caplog.text
