"""What `farm replay --out` keeps replaces what an earlier replay kept, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from fake_stages import FakeStages
from kept_files import Said, hashes, run

from farm.cli.wiring import Wiring
from farm.replay.running import LOG_NAME
from infra.hardware import Hardware
from jobs.errors import ExitCode

MACHINE = Hardware(cores=2, memory_bytes=8 << 30, cpu_kind="cpu test", gpus=())

Farm = Callable[..., Said]


@pytest.fixture
def farm(
    tmp_path: Path, stages: FakeStages, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Farm:
    """`farm replay` of a process that says something and renders a segment, or fails."""
    monkeypatch.setenv("FARM_CACHE", str(tmp_path / "cache"))

    def replayed(_bundle: Any, *, folder: Path, **_ignored: Any) -> Any:
        (folder / LOG_NAME).write_text("it says something")
        (folder / "made.mp4").write_bytes(b"a segment")
        rendered = SimpleNamespace(path=folder / "made.mp4", sha256="5" * 64, size_bytes=9)
        return SimpleNamespace(rendered=rendered, failure=None, is_as_recorded=False, seconds=1.0, log="")

    monkeypatch.setattr("farm.replay.running.replay", replayed)
    wiring = Wiring(stages=stages, probe=lambda: MACHINE)
    return lambda *arguments: run("replay", *arguments, wiring=wiring, read=capsys.readouterr)


@pytest.fixture
def refuses(farm: Farm, tmp_path: Path) -> Farm:
    def check(*arguments: str | Path) -> Said:
        before = hashes(tmp_path)
        said = farm(*arguments)
        assert said.exit_code == ExitCode.OUTPUT
        assert hashes(tmp_path) == before
        return said

    return check


@pytest.mark.parametrize("options", [[], ["--overwrite"]], ids=["", "overwrite"])
def test_a_bundle_is_never_written_into(
    options: list[str], refuses: Farm, bundle: Any, tmp_path: Path
) -> None:
    folder = bundle()
    (tmp_path / "aka").symlink_to(folder)
    for out in (folder, folder / "kept", tmp_path / "aka" / "kept"):
        said = refuses(folder, "--out", out, *options)
        assert said.code == "output_is_input"
        assert "BUNDLE" in said.text


@pytest.mark.parametrize("name", ["segment.mp4", "stderr.txt", "manifest.json"])
def test_a_file_that_the_farm_did_not_write_stays(
    name: str, refuses: Farm, farm: Farm, bundle: Any, tmp_path: Path
) -> None:
    folder, out = bundle(), tmp_path / "kept"
    out.mkdir()
    (out / name).write_bytes(b"my own")
    assert refuses(folder, "--out", out).code == "output_exists"
    for options in (["--overwrite"], []):
        assert farm(folder, "--out", out, *options).exit_code == ExitCode.OK
    assert sorted(path.name for path in out.iterdir()) == ["manifest.json", "segment.mp4", "stderr.txt"]
