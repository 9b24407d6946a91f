"""Renders the segment of a bundle alone, in a fresh process, and says what became of it.

The process is a plain child, not one of Ray's: what happens to it happens to nothing else.
"""

from __future__ import annotations

import faulthandler
import json
import multiprocessing
import os
import signal
import time
from collections.abc import Mapping
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from farm.execution.pools.messages import Finished, Refused, Task
from farm.execution.replica import Replica
from farm.execution.stages import StageFactory
from farm.replay.bundle import Failure
from farm.replay.reading import ReplayBundle
from farm.scheduling.units import Stage
from jobs.errors import FarmError
from jobs.manifest import SegmentRecord

_LONGEST_LOG = 64_000
_PATIENCE_S = 5.0

LOG_NAME = "stderr.txt"
_STORE_NAME = "store"
# Said by the process once its replica is set up.
_BEGUN = b"begun"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendered:
    """The segment that was rendered cleanly."""

    sha256: str
    size_bytes: int
    path: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayOutcome:
    """What became of the segment this time.

    Attributes:
        rendered: The segment; None where it failed.
        failure: How it failed; None where it was rendered.
        is_as_recorded: The segment was begun, and failed in the way that the bundle tells.
        seconds: From the start of the process to its end.
        log: The end of what the process wrote to its standard outputs.
    """

    rendered: Rendered | None
    failure: Failure | None
    is_as_recorded: bool
    seconds: float
    log: str


def replay(
    bundle: ReplayBundle, *, stages: StageFactory, gpus: tuple[str, ...], folder: Path, timeout_s: float
) -> ReplayOutcome:
    """Render the segment of a bundle once.

    Args:
        bundle: What to render.
        stages: What the process loads.
        gpus: Accelerators of the process; none for the CPU.
        folder: An empty folder for the segment and the log of the process.
        timeout_s: A process that takes longer hangs, and is ended.

    Raises:
        FarmError: The shared weights are missing.
    """
    task = bundle.task(weights=stages.shared_weights(), store=str(folder / _STORE_NAME))
    started = time.perf_counter()
    answer, has_begun = _run_alone(task, stages=stages, gpus=gpus, log=folder / LOG_NAME, timeout_s=timeout_s)
    rendered = None
    if isinstance(answer, SegmentRecord):
        path = folder / _STORE_NAME / answer.key
        rendered = Rendered(sha256=answer.sha256, size_bytes=answer.size_bytes, path=path)
    failure = answer if isinstance(answer, Failure) else None
    return ReplayOutcome(
        rendered=rendered,
        failure=failure,
        is_as_recorded=failure is not None and has_begun and failure.is_like(bundle.record.failure),
        seconds=time.perf_counter() - started,
        log=_end_of(folder / LOG_NAME),
    )


def _run_alone(
    task: Task, *, stages: StageFactory, gpus: tuple[str, ...], log: Path, timeout_s: float
) -> tuple[SegmentRecord | Failure, bool]:
    """What became of it, and whether the segment was begun: a replica that does not start says nothing about it."""
    # Spawned, so that nothing of this process is in it. What it unpickles at its start comes from here, not from the
    # bundle; what it answers is JSON.
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe(duplex=False)
    process = context.Process(target=_child, args=(task, stages, gpus, str(log), there), daemon=True)
    process.start()
    there.close()
    until, has_begun = time.monotonic() + timeout_s, False
    try:
        while here.poll(max(0.0, until - time.monotonic())):
            said = here.recv_bytes()
            if said != _BEGUN:
                return _read(said), has_begun
            has_begun = True
        return Failure.hang(f"it did not end within {timeout_s:g} s"), has_begun
    except EOFError:
        process.join(_PATIENCE_S)
        when = "" if has_begun else " before it could begin"
        return Failure.crash(_how_it_ended(process) + when), has_begun
    finally:
        here.close()
        process.kill()
        process.join(_PATIENCE_S)


def _child(task: Task, stages: StageFactory, gpus: tuple[str, ...], log: str, answer: Connection) -> None:
    """All that the new process does."""
    file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    os.dup2(file, 1)
    os.dup2(file, 2)
    faulthandler.enable()
    replica = Replica(stage=Stage.RENDER, stages=stages)
    try:
        replica.set_up(gpus=gpus)
        answer.send_bytes(_BEGUN)
        ended = replica.perform(task)
    except FarmError as error:
        ended = Refused(key=task.key, error=error, seconds=0.0)
    if isinstance(ended, Finished):
        assert isinstance(ended.result, SegmentRecord), "a renderer makes segments"
        answer.send_bytes(json.dumps({"record": ended.result.model_dump(mode="json")}).encode())
    elif isinstance(ended, Refused):
        failure = Failure.of(ended.error)
        answer.send_bytes(json.dumps({"failure": failure.model_dump(mode="json")}).encode())
    replica.close()


def _read(data: bytes) -> SegmentRecord | Failure:
    answer: Mapping[str, Any] = json.loads(data)
    if "record" in answer:
        return SegmentRecord.model_validate_json(json.dumps(answer["record"]))
    return Failure.model_validate_json(json.dumps(answer["failure"]))


def _how_it_ended(process: BaseProcess) -> str:
    code = process.exitcode
    if code is None:
        return "its process closed its pipe and went on"
    if code >= 0:
        return f"its process ended with exit code {code}"
    try:
        return f"its process ended with {signal.Signals(-code).name}"
    except ValueError:
        return f"its process ended with signal {-code}"


def _end_of(log: Path) -> str:
    try:
        with log.open("rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - _LONGEST_LOG))
            return file.read().decode("utf-8", errors="replace")
    except FileNotFoundError:
        return ""
