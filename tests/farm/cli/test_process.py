"""The command as a process of its own that starts its own cluster: clean stdout, clean stop, nothing left running."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.timeout(240)]

SCRIPT = Path(__file__).with_name("farm_with_small_stages.py")
ROOT = SCRIPT.parents[3]


def start(folder: Path, seconds_per_segment: float, *arguments: str) -> subprocess.Popen[str]:
    import_path = [str(SCRIPT.parents[1]), str(ROOT), os.environ.get("PYTHONPATH", "")]
    environment = os.environ | {
        "FARM_CACHE": str(folder / "cache"),
        "PYTHONPATH": os.pathsep.join(filter(None, import_path)),
    }
    return subprocess.Popen(
        [sys.executable, str(SCRIPT), str(folder / "stages"), str(seconds_per_segment), *arguments],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def descendants(pid: int) -> set[int]:
    """The process and everything it started."""
    parents = {}
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = status.read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        parents[int(status.parent.name)] = int(fields[1])
    found = {pid}
    while more := {child for child, parent in parents.items() if parent in found} - found:
        found |= more
    return found


def test_json_stays_one_document_while_a_replica_dies(
    write_speech: Any, make_job: Any, tmp_path: Path
) -> None:
    write_speech()
    make_job()
    process = start(tmp_path, 0, "render", str(tmp_path / "hello.yaml"), "--json", "--replicas", "2")
    out, err = process.communicate(timeout=200)
    assert process.returncode == 0, err
    assert json.loads(out)["frame_count"] == 65
    assert Path(tmp_path / "out" / "hello.mp4").is_file()


@pytest.mark.parametrize("interrupt", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_stops_the_cluster_and_keeps_what_is_committed(
    interrupt: signal.Signals, write_speech: Any, make_job: Any, tmp_path: Path
) -> None:
    write_speech(seconds=40.0)
    make_job()
    process = start(tmp_path, 1.0, "render", str(tmp_path / "hello.yaml"), "--replicas", "1")
    store = tmp_path / "cache" / "store" / "segments"
    deadline = time.monotonic() + 120
    while len(list(store.rglob("*.mp4"))) < 2 and time.monotonic() < deadline:
        time.sleep(0.2)
    started = descendants(process.pid)
    process.send_signal(interrupt)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert out == ""
    assert [line for line in err.splitlines() if line.startswith("error")] == [
        "error [cancelled] render: stopped from the keyboard"
    ]
    assert "Traceback" not in err
    assert len(list(store.rglob("*.mp4"))) >= 2
    assert not (tmp_path / "out").exists()
    deadline = time.monotonic() + 20
    while (left := {pid for pid in started if _runs(pid)}) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert not left


def _runs(pid: int) -> bool:
    try:
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
