"""`farm doctor` on this machine: it names what is broken and goes on to the next check."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from fake_stages import FakeStages

from farm.cli import main
from farm.cli.wiring import Wiring
from jobs.errors import ExitCode


@pytest.mark.ray
def test_broken_weights_and_an_unwritable_store_are_named_beside_what_works(
    stages: FakeStages, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FARM_CACHE", str(tmp_path / "cache"))
    (tmp_path / "file").touch()
    (stages.folder / "motion.weights").write_bytes(b"other")
    arguments = ["doctor", "--json", "--store", str(tmp_path / "file" / "store")]
    assert main(arguments, wiring=Wiring(stages=stages)) == ExitCode.INFRASTRUCTURE
    record = json.loads(capsys.readouterr().out)
    assert record["healthy"] is False
    checks = {check["name"]: check for check in record["checks"]}
    assert "attention.weight" in checks["weights"]["detail"]
    assert "file/store" in checks["store"]["detail"]
    works = ("python", "libraries", "device", "video encoder", "subjects", "inspection", "cluster")
    assert {checks[name]["health"] for name in works} == {"ok"}
