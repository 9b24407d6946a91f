"""Scenarios on the virtual clock: shares, latency, affinity, and figures that a second run repeats."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from farm.simulation import made_up_pool
from farm.simulation.fates import Fate, Lot
from farm.simulation.figures import SimulationFigures, figures_of, jain_index
from farm.simulation.simulator import Simulator
from farm.simulation.spans import SpanEnd
from farm.simulation.timeline import draw_timeline
from jobs.errors import OutputUnwritable
from jobs.simulation_spec import SimulationSpec

STUDIOS = ("north", "south", "west")


def simulate(**spec: Any) -> tuple[Simulator, SimulationFigures]:
    run = Simulator(SimulationSpec.model_validate(spec))
    run.run()
    return run, figures_of(run)


def backlog(copies: int, *, segments: int = 40, **job: Any) -> list[dict[str, Any]]:
    """Jobs of three studios, each with a subject of its own, all there from the start."""
    return [
        {
            "name": f"{studio}-film",
            "studio": studio,
            "subject": studio,
            "segments": segments,
            "copies": copies,
            **job,
        }
        for studio in STUDIOS
    ]


def test_fifty_jobs_of_three_studios_share_as_their_weights_say() -> None:
    jobs = backlog(17, segments=24)
    jobs[2]["copies"] = 16
    weights = {"north": {"weight": 60.0}, "south": {"weight": 30.0}, "west": {"weight": 10.0}}
    _, figures = simulate(jobs=jobs, studios=weights, pool={"replicas": 8})
    assert sum(studio.jobs for studio in figures.studios) == 50
    assert figures.is_complete
    for studio in figures.studios:
        assert studio.contended_share == pytest.approx(studio.due, abs=5.0)
    assert figures.jain is not None
    assert figures.jain >= 0.95


def test_equal_weights_share_equally_whatever_the_jobs_look_like() -> None:
    jobs = backlog(1, segments=400)
    jobs[0] |= {"copies": 8, "segments": 50}
    jobs[1] |= {"segment_seconds": 30.0, "profile": "full"}
    _, figures = simulate(jobs=jobs, pool={"replicas": 6}, faults={"crash": 0.01, "slow": 0.02})
    assert figures.jain is not None
    assert figures.jain >= 0.95


def test_who_comes_while_the_first_segments_are_charged_by_guess_is_not_behind() -> None:
    """They are taken to cost ten times what they do, when the second and the third studio come."""
    jobs = backlog(1, segments=60, segment_seconds=1.0)
    for job, at in zip(jobs, (0.0, 0.4, 0.8), strict=True):
        job["at"] = at
    _, figures = simulate(jobs=jobs, pool={"replicas": 3, "warm_lead": 0.0}, audited=True)
    for studio in figures.studios:
        assert studio.contended_share == pytest.approx(studio.due, abs=5.0)


@pytest.mark.parametrize("at", [300.0, 304.1, 310.9])
@pytest.mark.parametrize("studio", ["north", "south"])
def test_one_segment_behind_ten_thousand_starts_within_one_segments_time(studio: str, at: float) -> None:
    long = {"name": "long", "studio": "north", "subject": "a", "segments": 10_000}
    short = {"name": "short", "studio": studio, "subject": "b", "segments": 1, "at": at}
    run, _ = simulate(jobs=[long, short], pool={"replicas": 1}, faults={"spread": 0.0}, longest=400.0)
    times = run.observer.times["short"]
    assert times.started is not None
    assert times.started - times.submitted <= 10.0


def test_warm_subjects_save_loads_and_cost_little_fairness() -> None:
    def cold(warm_lead: float) -> SimulationFigures:
        return simulate(jobs=backlog(2, segments=60), pool={"replicas": 4, "warm_lead": warm_lead})[1]

    strict, warm = cold(0.0), cold(4.0)
    assert warm.cold_ratio < strict.cold_ratio / 2
    assert warm.jain is not None
    assert warm.jain >= 0.95


def test_poison_kills_three_replicas_and_nobody_elses_segment() -> None:
    bad = {
        "name": "bad",
        "studio": "north",
        "subject": "a",
        "segments": 6,
        "poison": [2],
        "on_quarantine": "fill",
    }
    good = {"name": "good", "studio": "south", "subject": "b", "segments": 60}
    run, figures = simulate(jobs=[bad, good], pool={"replicas": 3}, audited=True)
    assert figures.lost == 3
    assert figures.waived == 1
    assert figures.committed == 65
    assert {job.state.value for job in run.scheduler.jobs.values()} == {"succeeded"}


def test_a_slow_last_segment_is_overtaken_by_its_copy() -> None:
    jobs = [{"name": "film", "studio": "north", "subject": "a", "segments": 60}]
    faults = {"slow": 0.03, "slow_factor": 40.0, "spread": 0.0}
    run, figures = simulate(jobs=jobs, pool={"replicas": 4, "stall": 100.0}, faults=faults, seed=3)
    assert figures.is_complete
    assert SpanEnd.STOPPED in {span.end for span in run.pool.spans}
    assert figures.seconds < 400


def test_faults_change_when_but_not_what() -> None:
    faults = {"crash": 0.05, "hang": 0.01, "output": 0.0, "storage": 0.05, "slow": 0.05, "until": 400.0}
    run, figures = simulate(jobs=backlog(2, segments=30), faults=faults, audited=True, seed=5)
    assert figures.is_complete
    assert set(figures.ended) == {"succeeded"}
    assert len(run.pool.committed) == figures.committed == 180
    assert figures.lost > 0


def test_the_same_seed_gives_the_same_run() -> None:
    def run(seed: int) -> SimulationFigures:
        return simulate(jobs=backlog(2), faults={"crash": 0.02, "slow": 0.05}, seed=seed)[1]

    assert run(4) == run(4)
    assert run(4) != run(5)


def test_a_segment_that_a_crash_left_in_the_store_counts_as_rendered_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lots = iter([Lot(Fate.CRASH, 9.0, commits_first=True)])
    monkeypatch.setattr(made_up_pool, "draw_lot", lambda *_, **__: next(lots, Lot(Fate.COMMIT, 10.0)))
    jobs = [{"name": "film", "studio": "north", "subject": "a", "segments": 3}]
    run, figures = simulate(jobs=jobs, pool={"replicas": 1})
    assert figures.committed == len(run.pool.committed) == 3
    assert figures.re_renders == 1


def test_a_refused_submit_is_told() -> None:
    studios = {"north": {"max_queued_segments": 50}}
    _, figures = simulate(jobs=backlog(2), studios=studios)
    assert set(figures.refused) == {"north-film-2"}


def test_jain_is_one_for_equals_and_one_over_n_for_a_monopoly() -> None:
    assert jain_index([3.0, 3.0, 3.0]) == pytest.approx(1.0)
    assert jain_index([9.0, 0.0, 0.0]) == pytest.approx(1 / 3)
    assert jain_index([0.0, 0.0]) is None


def test_the_timeline_is_a_picture(tmp_path: Path) -> None:
    run, _ = simulate(jobs=backlog(1, segments=5), faults={"crash": 0.1})
    draw_timeline(run.pool.spans, tmp_path / "timeline.png", title="small")
    assert (tmp_path / "timeline.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(OutputUnwritable):
        draw_timeline(run.pool.spans, tmp_path / "timeline.nonsense", title="small")
