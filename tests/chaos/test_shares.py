"""Three studios share real replicas by their weights while all of them have work waiting."""

from __future__ import annotations

from pathlib import Path

import pytest
from shares import run_shares
from stormy_cluster import StormyCluster

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.timeout(600)]


def test_shares_follow_the_weights(
    cluster: StormyCluster, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = run_shares(cluster, tmp_path, weights={"north": 60, "south": 30, "east": 10})
    with capsys.disabled():
        print("", *report.rows(), sep="\n")
    assert report.error_points <= 5.0


def test_equal_weights_get_equal_shares(
    cluster: StormyCluster, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = run_shares(cluster, tmp_path, weights={"north": 1, "south": 1, "east": 1}, job_seconds=60.0)
    with capsys.disabled():
        print("", *report.rows(), sep="\n")
    assert report.jain >= 0.95
