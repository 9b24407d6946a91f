"""docs/quickstart.md, run as it is written: what a reader types is read from the page."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "quickstart.md").read_text(encoding="utf-8")
BLOCKS = {
    name or "python": text
    for name, text in re.findall(r"^```(?:sh (\w+)|python)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
}


def lines(name: str) -> list[str]:
    return BLOCKS[name].splitlines()


def test_the_page_has_ten_commands_from_a_clone_to_a_master() -> None:
    assert set(BLOCKS) == {"install", "farm", "studio", "curl", "python"}
    commands = [*lines("install"), *lines("farm"), *lines("studio")]
    assert sum(1 + line.count(" | ") for line in commands) == 10
    for line in lines("install")[:1]:
        done = subprocess.run([*line.split(), "--dry-run"], cwd=ROOT, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    assert lines("install")[1] == "source .venv/bin/activate"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder as after a clone, as far as the commands read it."""
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    return tmp_path


@pytest.fixture
def environment(folder: Path) -> dict[str, str]:
    """What a shell has whose user set nothing; this tree is the installed one."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("FARM_")}
    paths = os.pathsep.join([str(ROOT), str(ROOT / "client")])
    return kept | {
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
        "PYTHONPATH": paths,
        "PYTHONUNBUFFERED": "1",
        "XDG_CACHE_HOME": str(folder / "cache"),
        "XDG_CONFIG_HOME": str(folder / "config"),
    }


@pytest.fixture
def served(folder: Path, environment: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    """The first terminal."""
    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1", 8470)) == 0:
            pytest.fail("somebody else listens at port 8470 of the page")
    said = folder / "served.txt"
    with said.open("w") as output:
        process = subprocess.Popen(
            ["bash", "-euo", "pipefail", "-c", f"exec {BLOCKS['farm'].strip()}"],
            cwd=folder,
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
            text=True,
        )
    try:
        for _ in range(1200):
            if "serving at http://127.0.0.1:8470" in said.read_text() or process.poll() is not None:
                break
            time.sleep(0.1)
        assert process.poll() is None, said.read_text()
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


def typed(text: str, *, folder: Path, environment: dict[str, str]) -> str:
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", text],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=500,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.usefixtures("served")
def test_what_the_page_says_can_be_typed(folder: Path, environment: dict[str, str]) -> None:
    by_command = typed(BLOCKS["studio"], folder=folder, environment=environment)
    assert "greeting-1" in by_command.splitlines()
    (folder / "program.py").write_text(BLOCKS["python"])
    both = f"{BLOCKS['curl']}\npython program.py"
    in_python = typed(both, folder=folder, environment=environment)
    assert in_python.splitlines()[-1] == "out/greeting-3.mp4"
    hashes = {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in (folder / "out").glob("*.mp4")
    }
    assert set(hashes) == {"greeting-1.mp4", "by-curl.mp4", "greeting-3.mp4"}
    assert len(set(hashes.values())) == 1
    listed = typed("farm list --all", folder=folder, environment=environment)
    assert [f"greeting-{number}" in listed for number in (1, 2, 3)] == [True] * 3
