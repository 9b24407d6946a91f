"""Jobs of every kind as a user types them: planned, handed in, listed and told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from farm.cli import main
from jobs.errors import ExitCode

KINDS = {
    "PrepareJob": {"clip": "jane.mp4", "consent": "consent.pdf", "output": {"uri": "subjects/jane"}},
    "TrainJob": {"stage": "moda", "clips": ["clips/*"], "output": {"uri": "out/moda.safetensors"}},
    "EvaluateJob": {"truth": "test", "systems": {"ours": "ours"}, "output": {"uri": "out/table"}},
}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, value in {"FARM_CACHE": "cache", "FARM_JOURNAL": "farm.sqlite", "FARM_STORE": "store"}.items():
        monkeypatch.setenv(name, str(tmp_path / value))
    for name in ("jane.mp4", "consent.pdf", "ours/a.mp4", "test/a.mp4", "clips/tom/tracks.npz"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"a file that no test reads")
    return tmp_path


def write(folder: Path, kind: str, **spec: Any) -> Path:
    document = {
        "apiVersion": "farm/v1",
        "kind": kind,
        "metadata": {"name": kind.lower()},
        "spec": KINDS[kind] | spec,
    }
    path = folder / f"{kind}.yaml"
    path.write_text(yaml.safe_dump(document))
    return path


def answer(capsys: pytest.CaptureFixture[str]) -> Any:
    return json.loads(capsys.readouterr().out)


@pytest.mark.parametrize(
    ("kind", "pool"),
    [("PrepareJob", "preparation"), ("TrainJob", "training"), ("EvaluateJob", "evaluation")],
)
def test_a_plan_tells_the_kind_its_pool_and_its_places(
    folder: Path, kind: str, pool: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["plan", str(write(folder, kind)), "--json"]) == ExitCode.OK
    record = answer(capsys)
    assert (record["kind"], record["pool"]) == (kind, pool)
    assert all(place.startswith(str(folder)) for place in (*record["reads"], *record["writes"]))
    assert any("jane" in place or "out" in place for place in record["writes"])
    assert not (folder / "subjects").exists()
    assert not (folder / "out").exists()


def test_a_plan_finds_what_is_missing(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", str(write(folder, "PrepareJob", consent="none.pdf")), "--json"]) == ExitCode.INPUT
    error = answer(capsys)["error"]
    assert (error["code"], error["where"]) == ("input_not_found", "spec.consent")


def test_jobs_of_every_kind_are_handed_in_together_and_listed_with_their_kinds(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    specs = [str(write(folder, kind)) for kind in KINDS]
    assert main(["submit", *specs, "--studio", "north", "--patience", "0", "--json"]) == ExitCode.OK
    names = [job["job"] for job in answer(capsys)["jobs"]]
    assert main(["list", "--json"]) == ExitCode.OK
    listed = {job["job"]: job["kind"] for job in answer(capsys)["jobs"]}
    assert listed == dict(zip(names, KINDS, strict=True))
    assert main(["list"]) == ExitCode.OK
    shown = capsys.readouterr().out
    assert all(word in shown for word in ("kind", "prepare", "train", "evaluate"))
    assert main(["status", names[0]]) == ExitCode.OK
    assert "prepare" in capsys.readouterr().out


def test_two_that_write_one_place_are_not_handed_in(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    train = write(folder, "TrainJob", stage="renderer", subject="clips/tom")
    prepare = write(folder, "PrepareJob", output={"uri": "clips/tom"})
    assert main(["submit", str(train), str(prepare), "--json"]) == ExitCode.OUTPUT
    assert answer(capsys)["error"]["code"] in {"output_is_input", "output_twice"}
    assert not (folder / "farm.sqlite").exists()
