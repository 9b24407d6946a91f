"""The farm keeps its word while replicas are killed and nodes die or are taken back. `run_chaos.py` does more of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from fault_proxy import Kind
from killer import Deed, plan_deeds
from stormy_cluster import StormyCluster
from stormy_farm import StormReport, run_storm
from stormy_s3 import StormyS3

pytestmark = [
    # A node that is killed is what these tests are about; Ray says so in a thread of its own.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning"),
]


@pytest.fixture(scope="module")
def calm(cluster: StormyCluster, tmp_path_factory: pytest.TempPathFactory) -> StormReport:
    """What one replica makes of the jobs when nothing happens."""
    report = run_storm(cluster, tmp_path_factory.mktemp("calm"), replicas=1, seed=0, kills=0)
    assert report.broken == ()
    assert report.lost == 0
    return report


@pytest.mark.ray
@pytest.mark.chaos
@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize(("replicas", "seed"), [(1, 1), (2, 2), (3, 3), (4, 4)])
def test_whatever_is_killed_every_master_is_the_same_and_nothing_is_left(
    replicas: int, seed: int, cluster: StormyCluster, calm: StormReport, tmp_path: Path
) -> None:
    report = run_storm(cluster, tmp_path, replicas=replicas, seed=seed, gpus=seed % 2)
    assert report.broken == ()
    assert report.masters == calm.masters
    assert report.kills >= 5
    assert report.nodes_killed >= 1


@pytest.mark.ray
@pytest.mark.chaos
@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_storm_of_the_store_beside_it_changes_nothing(
    cluster: StormyCluster, s3: StormyS3, calm: StormReport, tmp_path: Path
) -> None:
    bucket = s3.bucket()
    s3.storm(seed=5)
    try:
        report = run_storm(
            cluster, tmp_path, replicas=2, seed=5, store=f"s3://{bucket}/store", before_audit=s3.calm
        )
    finally:
        s3.calm()
    assert report.broken == ()
    assert report.masters == calm.masters
    assert report.kills >= 5
    assert {Kind.SLOW_DOWN, Kind.RESET_BEFORE, Kind.RESET_AFTER, Kind.TRUNCATED} <= set(s3.proxy.faults)
    assert s3.leftovers(bucket, kills=report.kills) == ()


@pytest.mark.parametrize("seed", range(30))
def test_every_plan_kills_a_node_and_takes_one_back(seed: int) -> None:
    plan = plan_deeds(seed=seed, segments=29)
    assert plan == plan_deeds(seed=seed, segments=29)
    deeds = [planned.deed for planned in plan]
    assert (deeds.count(Deed.NODE), deeds.count(Deed.DRAIN), deeds.count(Deed.REPLICA)) == (1, 1, 4)
    assert max(planned.at_segment for planned in plan) < 29
