"""Bundles rendered again: real processes, which really die."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fake_stages import FakeStages, Fault

from farm.cli import main
from farm.cli.wiring import Wiring
from farm.execution.pools.messages import Finished, Refused, Task
from farm.execution.replica import Replica
from farm.execution.stages import RealStages
from farm.replay.bundle import Failure
from farm.scheduling.units import Stage
from infra.hardware import Hardware
from jobs.errors import ExitCode, SegmentRejected

MACHINE = Hardware(cores=2, memory_bytes=8 << 30, cpu_kind="cpu test", gpus=())
FIRST_FRAME = 150
CRASH = Failure.crash("the replica's process ended with signal 9")


@pytest.fixture
def farm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    monkeypatch.setenv("FARM_CACHE", str(tmp_path / "cache"))

    def run(*arguments: str | Path, stages: Any) -> int:
        return main([str(each) for each in arguments], wiring=Wiring(stages=stages, probe=lambda: MACHINE))

    return run


def faulty(stages: FakeStages, kind: str) -> FakeStages:
    return replace(stages, faults=(Fault(stage="render", frame=FIRST_FRAME, kind=kind, times=9),))


def test_a_segment_that_is_sound_here_renders_to_the_same_bytes(
    farm: Any, bundle: Any, segment_task: Task, stages: FakeStages, tmp_path: Path, capsys: Any
) -> None:
    replica = Replica(stage=Stage.RENDER, stages=stages)
    replica.set_up(gpus=())
    there = replica.perform(segment_task)
    assert isinstance(there, Finished)
    out = tmp_path / "kept"
    assert farm("replay", bundle(failure=CRASH), "--json", "--out", out, stages=stages) == ExitCode.OK
    told = json.loads(capsys.readouterr().out)
    assert told["rendered"]["sha256"] == there.result.sha256
    assert (told["reproduced"], told["failure"]) == (False, None)
    assert (out / "segment.mp4").stat().st_size == told["rendered"]["size_bytes"]
    assert sorted(path.name for path in out.iterdir()) == ["manifest.json", "segment.mp4", "stderr.txt"]
    assert any("engine" in note for note in told["notes"])


def test_a_process_that_dies_is_told_by_its_signal(
    farm: Any, bundle: Any, stages: FakeStages, capsys: Any
) -> None:
    assert farm("replay", bundle(failure=CRASH), stages=faulty(stages, "kill")) == ExitCode.RENDER
    out = capsys.readouterr().out
    assert "crashed: its process ended with SIGKILL" in out
    assert "the recorded failure" in out


@pytest.mark.slow
@pytest.mark.parametrize(
    ("recorded", "code"), [("raised", ExitCode.RENDER), ("crashed", ExitCode.INFRASTRUCTURE)]
)
def test_an_error_is_held_against_the_recorded_one(
    farm: Any, bundle: Any, stages: FakeStages, capsys: Any, recorded: str, code: ExitCode
) -> None:
    folder = bundle() if recorded == "raised" else bundle(failure=CRASH)
    assert farm("replay", folder, "--json", stages=faulty(stages, "raise")) == code
    told = json.loads(capsys.readouterr().out)
    assert told["failure"]["code"] == "segment_failed"
    assert "tripped" in told["failure"]["message"]
    assert told["reproduced"] is (recorded == "raised")


@pytest.mark.slow
def test_pictures_that_are_rejected_are_rejected_again(
    farm: Any, bundle: Any, segment_task: Task, stages: FakeStages, capsys: Any
) -> None:
    black = faulty(stages, "black")
    replica = Replica(stage=Stage.RENDER, stages=black)
    replica.set_up(gpus=())
    refused = replica.perform(segment_task)
    assert isinstance(refused, Refused)
    assert isinstance(refused.error, SegmentRejected)
    assert farm("replay", bundle(failure=Failure.of(refused.error)), stages=black) == ExitCode.RENDER
    assert "[segment_rejected]" in capsys.readouterr().out


@pytest.mark.slow
def test_a_process_that_hangs_is_ended(farm: Any, bundle: Any, stages: FakeStages, capsys: Any) -> None:
    slow = replace(stages, seconds_per_segment=60.0)
    hang = Failure.hang("no progress for 60 s")
    assert farm("replay", bundle(failure=hang), "--timeout", "4", stages=slow) == ExitCode.RENDER
    assert "hung: it did not end within 4 s" in capsys.readouterr().out


def test_what_the_process_wrote_is_kept(
    farm: Any, bundle: Any, stages: FakeStages, tmp_path: Path, capsys: Any
) -> None:
    code = farm("replay", bundle(), "--json", "--out", tmp_path / "kept", stages=LoudStages.of(stages))
    assert code == ExitCode.INFRASTRUCTURE
    told = json.loads(capsys.readouterr().out)
    assert "its process ended with SIGSEGV" in told["failure"]["message"]
    # Where Python was, which only the process itself could tell.
    for log in (told["stderr"], (tmp_path / "kept" / "stderr.txt").read_text()):
        assert "Segmentation fault" in log
        assert "load_renderer" in log


class LoudStages(FakeStages):
    """Stages whose renderer breaks the process while it is loaded."""

    @classmethod
    def of(cls, stages: FakeStages) -> LoudStages:
        return cls(folder=stages.folder)

    def load_renderer(self, **_ignored: Any) -> Any:
        import ctypes

        return ctypes.string_at(0)


def test_a_damaged_bundle_is_one_line_and_an_exit_code(
    farm: Any, bundle: Any, stages: FakeStages, capsys: Any
) -> None:
    folder = bundle()
    (folder / "face.safetensors").write_bytes(b"")
    assert farm("replay", folder, stages=stages) == ExitCode.INPUT
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines()[0].startswith("error [bad_bundle] ")
    assert len(err.splitlines()) == 2


@pytest.mark.slow
def test_a_real_segment_replays_through_the_real_command(
    bundle: Any, segment_task: Task, tmp_path: Path
) -> None:
    stages = RealStages()
    setup = replace(
        segment_task.setup, subject=stages.builtin_subjects()["actor-a"], weights=stages.shared_weights()
    )
    folder = bundle(task=replace(segment_task, setup=setup), failure=CRASH)
    hashes = set()
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "-m", "farm", "replay", str(folder), "--json"], capture_output=True, text=True
        )
        told = json.loads(done.stdout)
        # Points of no face: the pictures are rejected, or there is no detector to see it.
        assert done.returncode in (ExitCode.OK, ExitCode.INFRASTRUCTURE), told
        hashes.add(json.dumps([told["rendered"], told["failure"]]))
    assert len(hashes) == 1
