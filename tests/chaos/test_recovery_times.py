"""How soon a segment is with another replica after its own was killed, or the node below it."""

from __future__ import annotations

from pathlib import Path

import pytest
from recovery_times import GOALS_S, recovery_times
from stormy_cluster import StormyCluster

pytestmark = [
    pytest.mark.ray,
    pytest.mark.chaos,
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning"),
]


@pytest.mark.parametrize("victim", GOALS_S)
def test_a_segment_is_soon_with_another_replica(
    victim: str, cluster: StormyCluster, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    times = recovery_times(cluster, tmp_path, victim=victim)
    with capsys.disabled():
        print(f"\n{times}", end=" ")
    assert times.is_goal_met, str(times)
