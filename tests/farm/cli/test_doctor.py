"""`farm doctor` on this machine: it names what is broken and goes on to the next check."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from fake_stages import FakeStages

from farm.cli import doctor, main
from farm.cli.wiring import Wiring
from infra.hardware import Hardware
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
    works = ("python", "libraries", "device", "video encoder", "subjects", "forms", "inspection", "cluster")
    assert {checks[name]["health"] for name in works} == {"ok"}


@pytest.mark.slow
@pytest.mark.ray
def test_a_store_that_ignores_conditions_and_a_damaged_journal_are_told(
    stages: FakeStages,
    signing_s3_bucket: Callable[[], str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("FARM_CACHE", str(tmp_path / "cache"))
    (tmp_path / "farm.sqlite").write_bytes(b"no database" * 100)
    monkeypatch.setenv("FARM_JOURNAL", str(tmp_path / "farm.sqlite"))
    main(["doctor", "--json", "--store", f"s3://{signing_s3_bucket()}/farm"], wiring=Wiring(stages=stages))
    checks = {check["name"]: check for check in json.loads(capsys.readouterr().out)["checks"]}
    assert checks["store"]["health"] == "warning"
    assert "ignores conditional writes" in checks["store"]["detail"]
    assert checks["journal"]["health"] == "failed"


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        ("cpu x86_64 avx512 bf16 vnni", ["exact", "bf16", "int8"]),
        ("cpu x86_64 avx2 vnni", ["exact", "not bf16: cpu x86_64 avx2 vnni lacks bf16", "int8"]),
        ("cpu x86_64", ["exact", "not bf16: cpu x86_64 lacks bf16", "not int8: cpu x86_64 lacks vnni"]),
    ],
)
def test_it_says_which_forms_this_machine_can_do(stages: FakeStages, kind: str, told: list[str]) -> None:
    hardware = Hardware(cores=1, memory_bytes=1, cpu_kind=kind, gpus=())
    found = doctor._forms(stages, hardware).split("; ")
    assert [line.partition(",")[0] for line in found] == told
    assert [stages.noted(f"form-{form}") for form in ("exact", "bf16", "int8")] == [
        int(not line.startswith("not")) for line in told
    ]
