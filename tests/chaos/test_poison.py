"""A segment that takes every replica down that draws it is found out, alone, and nobody else is hurt."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from poison import JOBS, POISONED, POISONED_SEGMENT, REPLICAS, run_poison
from stormy_cluster import StormyCluster

from farm.cli import main
from farm.cli.wiring import Wiring
from farm.replay.reading import read_bundle
from farm.replay.running import replay
from infra.hardware import Hardware
from jobs.errors import ExitCode
from jobs.lifecycle import JobState, SegmentState
from jobs.priority import OnQuarantine

pytestmark = [
    pytest.mark.ray,
    pytest.mark.chaos,
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning"),
]

NO_GPU = Hardware(cores=2, memory_bytes=8 << 30, cpu_kind="cpu test", gpus=())
ENDS = {
    OnQuarantine.FAIL: JobState.FAILED,
    OnQuarantine.HOLD: JobState.HELD,
    OnQuarantine.FILL: JobState.SUCCEEDED,
}


@pytest.mark.parametrize("on_quarantine", OnQuarantine)
def test_the_poison_alone_is_quarantined_and_its_bundle_crashes_again(
    on_quarantine: OnQuarantine, cluster: StormyCluster, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = run_poison(cluster, tmp_path / "farm", on_quarantine=on_quarantine)
    assert report.innocents_hurt == ()
    assert len(report.deaths) <= REPLICAS, report.deaths
    others = {title: job for title, job in report.jobs.items() if title != POISONED}
    assert len(others) == JOBS - 1
    assert [job.error for job in others.values() if job.state is not JobState.SUCCEEDED] == []
    assert report.poisoned.state is ENDS[on_quarantine]
    if on_quarantine is OnQuarantine.FILL:
        filled = report.farm.manifest(POISONED)["filled"]
        assert [gap["index"] for gap in filled] == [POISONED_SEGMENT]
    else:
        assert list(report.poisoned.segments.numbers(SegmentState.QUARANTINED)) == [POISONED_SEGMENT]
    [bundle] = report.bundles

    (tmp_path / "replay").mkdir()
    outcome = replay(
        read_bundle(bundle), stages=report.farm.stages, gpus=(), folder=tmp_path / "replay", timeout_s=120.0
    )
    assert outcome.is_as_recorded
    assert "SIGSEGV" in str(outcome.failure)
    capsys.readouterr()
    wiring = Wiring(stages=report.farm.stages, probe=lambda: NO_GPU)
    assert main(["replay", str(bundle), "--json"], wiring=wiring) == ExitCode.RENDER
    assert json.loads(capsys.readouterr().out)["reproduced"] is True
