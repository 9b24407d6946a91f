"""From a segment that no replica can render to its bundle, its gap in the master, and the same failure again."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fake_stages import FakeStages, Fault

from farm.cli import main
from farm.cli.wiring import Wiring
from farm.execution.opening import opened_inline
from infra.hardware import Hardware
from jobs.errors import ExitCode
from jobs.manifest import Manifest

MACHINE = Hardware(cores=2, memory_bytes=8 << 30, cpu_kind="cpu test", gpus=())

Farm = Callable[..., int]


def inline(*, stages: Any, **_ignored: Any) -> AbstractContextManager[Any]:
    return opened_inline(stages=stages)


@pytest.fixture
def farm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Farm:
    monkeypatch.setenv("FARM_CACHE", str(tmp_path / "cache"))

    def run(*arguments: str | Path, stages: FakeStages) -> int:
        wiring = Wiring(stages=stages, open_on=inline, probe=lambda: MACHINE)
        return main([str(argument) for argument in arguments], wiring=wiring)

    return run


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["raise", "black"])
def test_what_a_farm_gives_up_fails_again_by_one_command(
    farm: Farm,
    stages: FakeStages,
    write_speech: Any,
    make_job: Any,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    kind: str,
) -> None:
    write_speech(seconds=5.2)
    make_job(scheduling={"on_quarantine": "fill"})
    broken = replace(stages, faults=(Fault(stage="render", frame=50, kind=kind, times=99),))
    assert farm("submit", tmp_path / "hello.yaml", "--patience", "0", stages=broken) == ExitCode.OK
    assert farm("serve", "--until-done", "--port", "0", stages=broken) == ExitCode.OK
    capsys.readouterr()

    assert farm("status", "hello-1", "--json", stages=broken) == ExitCode.OK
    status = json.loads(capsys.readouterr().out)
    assert status["state"] == "succeeded"
    assert status["waived"] == [{"take": 1, "segment": 1}]
    manifest = Manifest.from_json(Path(status["delivered"][0]["manifest"]).read_bytes())
    assert [(gap.first_frame, gap.frame_count, gap.shown_frame) for gap in manifest.filled] == [(50, 50, 49)]

    (bundle,) = status["bundles"].values()
    assert farm("replay", bundle, "--json", stages=broken) == ExitCode.RENDER
    replayed = json.loads(capsys.readouterr().out)
    assert replayed["reproduced"] is True
    assert len(replayed["tries"]) > 1
    assert farm("replay", bundle, stages=stages) == ExitCode.OK
