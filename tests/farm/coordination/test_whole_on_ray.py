"""Jobs in one piece on real Ray: followed, killed, stopped, and resumed from what they had done; small work."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import fake_stages
import fake_whole
import pytest
from test_whole_jobs import KINDS, WholeFarm

from farm.config import PoolSizes
from farm.coordination.coordinator import FarmCoordinator
from infra.cluster import connected_cluster
from jobs.farm_requests import CancelRequest, PauseRequest, ResumeRequest, WhyRequest
from jobs.farm_spec import FarmPool, FarmSpec, Studio
from jobs.journal_events import WholeAdvanced
from jobs.lifecycle import JobState

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture(scope="module", autouse=True)
def cluster() -> Iterator[None]:
    with connected_cluster(logical_cpus=4):
        from ray import cloudpickle

        for module in (fake_stages, fake_whole):
            cloudpickle.register_pickle_by_value(module)
        yield
        for module in (fake_stages, fake_whole):
            cloudpickle.unregister_pickle_by_value(module)


@contextmanager
def on_ray(whole: WholeFarm, *, poll_every_s: float = 0.2) -> Iterator[FarmCoordinator]:
    """One run of the farm."""
    from farm.execution.pools.ray_pools import RayPools

    pools = RayPools(stages=whole.farm.stages, cores=4, gpus=0, poll_every_s=poll_every_s, whole=whole.whole)
    with closing(pools), whole.farm.running(pools) as coordinator:
        yield coordinator


def run_until(coordinator: FarmCoordinator, is_so: Callable[[], bool], *, within_s: float = 280.0) -> None:
    until = time.monotonic() + within_s
    while not is_so():
        assert time.monotonic() < until, "it does not come to that"
        coordinator.step()


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # Ended and not yet waited for is not alive.
    return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def pid_of(whole: WholeFarm, job: str) -> int:
    begun = [line for line in whole.whole.notes(job) if line.startswith("begun in")]
    return int(begun[-1].rpartition(" ")[2])


def steps_told(whole: WholeFarm, job: str) -> list[WholeAdvanced]:
    from farm.ledger.loading import event_of

    events = (event_of(entry, where="here") for entry in whole.farm.journal.read(after=0))
    return [event for event in events if isinstance(event, WholeAdvanced) and event.job == job]


@pytest.mark.parametrize("kind", KINDS)
def test_a_job_of_each_kind_is_followed_and_goes_on_after_its_replica_is_killed(
    tmp_path: Path, kind: str
) -> None:
    whole = WholeFarm.in_folder(tmp_path, steps=20, step_s=0.3, killed=kind.lower(), kill_at=5)
    name = whole.submit(kind)
    with on_ray(whole) as coordinator:
        run_until(coordinator, lambda: coordinator.is_idle)
        assert coordinator.state.scheduler.violations() == []
    job = whole.farm.job(name)
    assert job.state is JobState.SUCCEEDED
    assert whole.whole.count(name, "killed") == 1
    assert whole.whole.count(name, "begun") == 2
    assert whole.whole.done(name) == 20, "what was done before is not done again"
    told = steps_told(whole, name)
    assert len(told) >= 2
    assert all(event.total == 20 for event in told)
    assert [event.done for event in told] == sorted(event.done for event in told)


def test_a_cancelled_one_ends_and_its_outputs_stay_unwritten(tmp_path: Path) -> None:
    whole = WholeFarm.in_folder(tmp_path, steps=1000, step_s=0.1)
    name = whole.submit("TrainJob")
    with on_ray(whole) as coordinator:
        run_until(coordinator, lambda: whole.whole.done(name) > 3)
        asked = whole.farm.ask(WhyRequest(job=name))
        run_until(coordinator, lambda: whole.farm.journal.answer_to(asked) is not None)
        whole.farm.ask(CancelRequest(job=name))
        run_until(coordinator, lambda: whole.farm.job(name).state is JobState.CANCELLED, within_s=60.0)
        done = whole.whole.done(name)
        time.sleep(0.5)
        assert whole.whole.done(name) == done
    assert "A replica works on its training: count" in whole.farm.answer(asked).text
    assert not (whole.farm.folder / "out").exists()
    assert whole.farm.job(name).seconds > 0, "what it was worked on is paid for"


def test_one_that_does_not_listen_loses_its_replica_and_the_next_job_gets_another(tmp_path: Path) -> None:
    whole = WholeFarm.in_folder(tmp_path, steps=2, step_s=200.0)
    whole.farm.rules = FarmSpec(pool=FarmPool(grace=1.0))
    deaf = whole.submit("PrepareJob", "deaf")
    with on_ray(whole) as coordinator:
        run_until(coordinator, lambda: whole.whole.count(deaf, "begun") == 1)
        pid = pid_of(whole, deaf)
        assert is_alive(pid)
        whole.farm.ask(CancelRequest(job=deaf))
        run_until(coordinator, lambda: whole.farm.job(deaf).state is JobState.CANCELLED, within_s=60.0)
        until = time.monotonic() + 20.0
        while is_alive(pid):
            assert time.monotonic() < until, "its process lives on"
            time.sleep(0.1)
        after = whole.submit("PrepareJob", "after")
        run_until(coordinator, lambda: whole.whole.count(after, "begun") == 1)
        assert pid_of(whole, after) != pid


def test_a_paused_one_stops_at_once_and_goes_on_where_it_was(tmp_path: Path) -> None:
    whole = WholeFarm.in_folder(tmp_path, steps=30, step_s=0.1)
    name = whole.submit("TrainJob")
    with on_ray(whole) as coordinator:
        run_until(coordinator, lambda: whole.whole.done(name) > 3)
        whole.farm.ask(PauseRequest(job=name))
        run_until(coordinator, lambda: whole.farm.job(name).state is JobState.PAUSED, within_s=60.0)
        assert whole.whole.done(name) < 30
        whole.farm.ask(ResumeRequest(job=name))
        run_until(coordinator, lambda: coordinator.is_idle)
    assert whole.farm.job(name).state is JobState.SUCCEEDED
    assert whole.whole.done(name) == 30


def test_one_that_gets_no_further_is_ended_and_given_up_in_the_end(tmp_path: Path) -> None:
    whole = WholeFarm.in_folder(tmp_path, steps=2, step_s=300.0)
    whole.farm.rules = FarmSpec(pool=FarmPool(whole_stall=2.0))
    name = whole.submit("EvaluateJob")
    with on_ray(whole) as coordinator:
        run_until(coordinator, lambda: coordinator.is_idle)
    job = whole.farm.job(name)
    assert job.state is JobState.FAILED
    assert "replicas were lost" in whole.error(name)["message"]
    assert whole.whole.count(name, "begun") == 3, "twice beside others, once alone on a fresh replica"


def test_two_studios_share_a_farm_of_renders_a_preparation_a_training_and_an_evaluation(
    tmp_path: Path,
) -> None:
    """Of what replicas do, each studio has its share; one job is cancelled, and one is killed and resumed."""
    whole = WholeFarm.in_folder(tmp_path, steps=60, step_s=0.5, killed="network", kill_at=6)
    farm = whole.farm
    farm.pools = PoolSizes(render=2, preparation=1, training=1, evaluation=1)
    farm.stages = fake_stages.FakeStages.in_folder(farm.folder / "stages", seconds_per_segment=0.5)
    farm.rules = FarmSpec(
        studios={"north": Studio(weight=3), "south": Studio(weight=2)},
        pool=FarmPool(first_cost=1.0, max_tries_failed=2),
    )
    farm.speak("long.wav", seconds=600.0)
    film = farm.submit("film", studio="north", speech="long.wav")
    reel = farm.submit("reel", studio="south", speech="long.wav", seed=2)
    network = whole.submit("TrainJob", "network", studio="north")
    jane = whole.submit("PrepareJob", "jane", studio="south")
    table = whole.submit("EvaluateJob", "table", studio="south")
    with on_ray(whole) as coordinator:
        run_until(coordinator, lambda: whole.whole.done(table) > 4)
        farm.ask(CancelRequest(job=table))
        run_until(coordinator, lambda: farm.job(table).state is JobState.CANCELLED, within_s=60.0)
        run_until(coordinator, lambda: all(farm.job(name).state.is_terminal for name in (network, jane)))
        assert coordinator.state.scheduler.violations() == []
        states = {name: coordinator.state.scheduler.jobs[name].state for name in (film, reel)}
        assert states == {film: JobState.RUNNING, reel: JobState.RUNNING}, "both renders still wanted more"
        served = {name: farm.job(name).seconds for name in (film, reel, network, jane, table)}
    north, south = served[film] + served[network], served[reel] + served[jane] + served[table]
    assert {farm.job(name).state for name in (network, jane)} == {JobState.SUCCEEDED}
    assert whole.whole.count(network, "killed") == 1
    assert whole.whole.done(network) == 60
    assert north / (north + south) == pytest.approx(0.6, abs=0.05), served
