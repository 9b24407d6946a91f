"""A driver that is killed or interrupted: the same job goes on where it stopped, and nothing is left running."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from infra.storage import open_store
from jobs.parse import LoadedTraining

pytestmark = [pytest.mark.ray, pytest.mark.train, pytest.mark.chaos, pytest.mark.timeout(240)]

HERE = Path(__file__).parent
MARK = "FARM_TEST_RUN"


NODE_AGENTS = ("ray::DashboardAgent", "ray::RuntimeEnvAgent")
"""Ray's own; they may first try to tell a head that is gone too, for longer than anything of ours runs."""


def started(folder: Path, *, pause: float) -> subprocess.Popen[str]:
    """A driver in a process group of its own, whose processes all carry a mark in their environment."""
    return subprocess.Popen(
        [
            sys.executable,
            "-W",
            "ignore",
            str(HERE / "train_in_process.py"),
            str(folder),
            "--pause",
            str(pause),
        ],
        cwd=HERE.parents[2],
        env={**os.environ, "PYTHONPATH": str(HERE.parents[2]), MARK: str(folder)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def marked(folder: Path) -> list[int]:
    """Processes that a driver of this folder has started, and that still run."""
    mark = f"{MARK}={folder}".encode()
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            if mark in path.read_bytes().split(b"\0"):
                found.append(int(path.parent.name))
        except OSError:  # it has just ended, or is another user's
            continue
    return found


def commands(processes: list[int]) -> list[str]:
    """What processes were started as, for a message."""
    paths = [Path(f"/proc/{process}/cmdline") for process in processes]
    return [path.read_bytes().replace(b"\0", b" ").decode()[:200] for path in paths if path.exists()]


def gone(folder: Path, *, within_s: float = 30.0, but: tuple[str, ...] = ()) -> bool:
    """Whether all processes of a folder end in time, those of the names in `but` aside."""
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        if all(command.startswith(but) for command in commands(marked(folder))):
            return True
        time.sleep(0.2)
    return False


@contextmanager
def cleaned_up(folder: Path) -> Iterator[None]:
    """Whatever a failed test left running is killed."""
    try:
        yield
    finally:
        for pid in marked(folder):
            os.kill(pid, signal.SIGKILL)


def checkpoints_of(folder: Path) -> list[int]:
    keys = open_store(str(folder / "store")).list("training")
    return [int(key[-20:-12]) for key in keys if "/checkpoints/" in key]


def when_saved(folder: Path, driver: subprocess.Popen[str], *, step: int) -> None:
    deadline = time.monotonic() + 120
    while max(checkpoints_of(folder), default=0) < step:
        assert driver.poll() is None, driver.communicate()[1]
        assert time.monotonic() < deadline, "the run saves nothing"
        time.sleep(0.1)


def finished(folder: Path) -> dict[str, Any]:
    driver = started(folder, pause=0.0)
    out, err = driver.communicate(timeout=150)
    assert driver.returncode == 0, err
    lines = [json.loads(line) for line in err.splitlines()]
    assert all("event" in line for line in lines), "an embedded cluster is quiet"
    report: dict[str, Any] = json.loads(out)
    return report


def test_a_killed_driver_is_taken_up_by_the_same_job_with_the_same_weights(
    make_training: Callable[..., LoadedTraining], tmp_path: Path
) -> None:
    make_training(steps=60)
    with cleaned_up(tmp_path):
        driver = started(tmp_path, pause=0.2)
        # Well into the run: a worker that Ray has only just begun to start looks for its node for half a minute.
        when_saved(tmp_path, driver, step=30)
        driver.send_signal(signal.SIGKILL)
        driver.wait()
        assert gone(tmp_path, but=NODE_AGENTS), f"left by the driver: {commands(marked(tmp_path))}"
        assert gone(tmp_path, within_s=100.0), f"left by Ray: {commands(marked(tmp_path))}"
        resumed = finished(tmp_path)
        assert gone(tmp_path), "a finished run leaves processes"
    assert resumed["resumed_from"] >= 10
    assert resumed["steps"] == 60
    unbroken = unbroken_weights(tmp_path, steps=60)
    assert resumed["weights_sha256"] == unbroken


def test_ctrl_c_saves_the_step_and_ends_every_process(
    make_training: Callable[..., LoadedTraining], tmp_path: Path
) -> None:
    make_training(steps=500, checkpoints="{every: 400, keep: 2}", validation="{every: 500}")
    with cleaned_up(tmp_path):
        driver = started(tmp_path, pause=0.05)
        assert driver.stderr is not None
        for line in driver.stderr:
            if json.loads(line)["event"] == "advanced":
                break
        # As a terminal does: to every process of the foreground group.
        os.killpg(driver.pid, signal.SIGINT)
        _, err = driver.communicate(timeout=90)
        assert driver.returncode == 130, err
        assert gone(tmp_path), "an interrupted run leaves processes"
    (saved,) = checkpoints_of(tmp_path)
    assert 0 < saved < 400


def unbroken_weights(tmp_path: Path, *, steps: int) -> str:
    """The weights of the same steps without Ray and without a break."""
    from one_worker import OneWorker, SilentTraining
    from tiny_trainer import TinyTrainers

    from farm.training.loop import Cadence
    from farm.training.worker import WorkerSetup, run_worker
    from jobs.identity import sha256_of_bytes
    from stages.training.build import TrainingRequest

    setup = WorkerSetup(
        request=TrainingRequest(stage="renderer", clips=(), steps=steps),
        trainers=TinyTrainers(),
        cadence=Cadence(checkpoint=5, keep=2, validate=10),
        store=str(tmp_path / "unbroken"),
        prefix="training/tests/tiny/0123456789ab",
        logs=tmp_path / "unbroken-logs",
        threads=1,
    )
    outcome = run_worker(setup, group=OneWorker(SilentTraining()), device="cpu")
    assert outcome is not None
    return sha256_of_bytes(open_store(setup.store).get(outcome.weights_key))
