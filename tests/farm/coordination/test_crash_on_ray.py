"""The coordinator is killed while real replicas work for it: the next one loses nothing, no process is left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from mortal_farm import Life, digests

from farm.ledger import load_ledger
from infra.journal import open_journal
from jobs.lifecycle import JobState

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.chaos, pytest.mark.timeout(400)]

_PROGRAM = Path(__file__).with_name("farm_on_ray.py")
_MARK = "FARM_TEST_MARK"
# From the death of the coordinator to that of the last process that could work for it.
_GRACE_S = 30.0
# Ray's own agents do no work; they give up a head node that is gone after a minute, which is waited for once.
_AGENTS = ("ray::DashboardAgent", "ray::RuntimeEnvAgent")
_AGENTS_GRACE_S = 150.0


def serve(folder: Path, log: Path, *, mark: str, die_at: str = "") -> int:
    """One farm to its end; gives its exit status."""
    here = _PROGRAM.parent
    path = os.pathsep.join(str(place) for place in (here, here.parent, here.parents[2]))
    environment = os.environ | {_MARK: mark, "PYTHONPATH": path}
    with (folder / "output.txt").open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, str(_PROGRAM), str(folder), str(log), die_at],
            env=environment,
            stdout=output,
            stderr=output,
        )
        return process.wait(timeout=240)


def marked(mark: str) -> dict[int, str]:
    """Processes that live and were started by a farm of this mark."""
    found = {}
    for place in Path("/proc").iterdir():
        try:
            if place.name.isdigit() and f"{_MARK}={mark}".encode() in (place / "environ").read_bytes():
                found[int(place.name)] = (place / "cmdline").read_bytes().replace(b"\0", b" ").decode()[:80]
        except OSError:
            continue
    return found


def left_after(seconds: float, *, mark: str, ignoring: tuple[str, ...] = ()) -> dict[int, str]:
    """Processes of the mark that still live after so long, or none as soon as there is none."""
    deadline = time.monotonic() + seconds
    while True:
        left = {process: line for process, line in marked(mark).items() if not line.startswith(ignoring)}
        if not left or time.monotonic() > deadline:
            return left
        time.sleep(0.2)


@pytest.fixture(scope="module")
def marks() -> Iterator[list[str]]:
    """The marks of all farms of this file; in the end no process of any of them is left."""
    used: list[str] = []
    yield used
    deadline = time.monotonic() + _AGENTS_GRACE_S
    for mark in used:
        assert not left_after(deadline - time.monotonic(), mark=mark)


@pytest.fixture
def mark(marks: list[str]) -> str:
    marks.append(uuid.uuid4().hex)
    return marks[-1]


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("calm")
    assert serve(folder, folder / "life.log", mark=uuid.uuid4().hex) == 0, (folder / "output.txt").read_text()
    return digests(folder / "out")


@pytest.mark.parametrize(
    "name",
    [
        "after the submit of a render",
        "before an append of segment committed",
        "before the replace of a master to its place",
    ],
)
def test_a_coordinator_that_is_killed_loses_nothing_and_leaves_no_process(
    tmp_path: Path, calm: dict[str, str], mark: str, name: str
) -> None:
    assert serve(tmp_path, tmp_path / "first.log", mark=mark, die_at=name) == -signal.SIGKILL
    assert not left_after(_GRACE_S, mark=mark, ignoring=_AGENTS), "its cluster ends with it"
    assert serve(tmp_path, tmp_path / "second.log", mark=mark) == 0, (tmp_path / "output.txt").read_text()
    assert digests(tmp_path / "out") == calm
    journal = open_journal(str(tmp_path / "farm.sqlite"))
    journal.check()
    jobs = load_ledger(journal)[0].jobs
    assert {key: job.state for key, job in jobs.items()} == dict.fromkeys(
        ("one-1", "two-2"), JobState.SUCCEEDED
    )
    journal.close()
    assert Life.read(tmp_path / "first.log").points[-1] == name
    renders = len(list((tmp_path / "stages" / "notes").glob("render-*")))
    # One ran on the only renderer when the coordinator was killed.
    assert renders <= 4 + 1
