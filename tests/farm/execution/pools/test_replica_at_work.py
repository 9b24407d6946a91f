"""One replica in this process, asked for its progress from another thread while it works."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Thread

import pytest
from driven_pools import SEGMENT_FRAMES, Tasks
from fake_stages import FakeStages

from farm.execution import loaded
from farm.execution.pools.messages import Finished, Task
from farm.execution.replica import Ended, Replica
from farm.execution.work_watch import WorkProgress
from farm.scheduling.units import Stage
from infra.storage import MemoryStore, PutOutcome

PATIENCE_S = 30.0


@dataclass(frozen=True, slots=True)
class Gate:
    """Where a task waits until it is let through."""

    is_reached: Event = field(default_factory=Event)
    is_open: Event = field(default_factory=Event)

    def wait(self) -> None:
        self.is_reached.set()
        assert self.is_open.wait(PATIENCE_S)


class HangingStore(MemoryStore):
    """Takes what it is given, and does not answer before it is told to."""

    def __init__(self, gate: Gate) -> None:
        super().__init__()
        self.gate = gate

    def put_if_absent(self, key: str, data: bytes | Path, *, sha256: str | None = None) -> PutOutcome:
        self.gate.wait()
        return super().put_if_absent(key, data, sha256=sha256)


@dataclass(frozen=True, slots=True, kw_only=True)
class GatedStages(FakeStages):
    """Small stages, one of which waits at a gate: ``load`` or ``render``."""

    gated: str
    gate: Gate

    def strike(self, stage: str, frame: int) -> str:
        if stage == self.gated:
            self.gate.wait()
        return FakeStages.strike(self, stage, frame)


@contextmanager
def at_work(made_of: FakeStages, task: Task, gate: Gate) -> Iterator[tuple[Replica, list[Ended]]]:
    """A replica whose task has come to the gate; the block's end opens it and waits for the task."""
    replica, ends = Replica(stage=Stage.RENDER, stages=made_of), []
    replica.set_up(gpus=())
    worker = Thread(target=lambda: ends.append(replica.perform(task)), daemon=True)
    worker.start()
    try:
        assert gate.is_reached.wait(PATIENCE_S)
        yield replica, ends
    finally:
        gate.is_open.set()
        worker.join(PATIENCE_S)
        replica.close()


def test_a_segment_whose_store_does_not_answer_owes_no_frame(
    stages: FakeStages, tasks: Tasks, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate, task = Gate(), tasks.segment(0)
    store = HangingStore(gate)
    monkeypatch.setattr(loaded, "open_store", lambda address: store)
    with at_work(stages, task, gate) as (replica, ends):
        first, second = replica.progress(), replica.progress()
        assert first == WorkProgress(task.key, SEGMENT_FRAMES, owes_frame=False)
        assert second.shows_progress_since(first), "the store is slow, and the segment is not to blame"
        assert not ends
    assert isinstance(ends[0], Finished)
    assert replica.progress() == WorkProgress()


@pytest.mark.parametrize(("gated", "owes_frame"), [("load", False), ("render", True)])
def test_a_segment_owes_no_frame_while_its_subject_is_loaded(
    stages: FakeStages, tasks: Tasks, gated: str, owes_frame: bool
) -> None:
    gate, task = Gate(), tasks.segment(0)
    made_of = GatedStages(folder=stages.folder, gated=gated, gate=gate)
    with at_work(made_of, task, gate) as (replica, ends):
        first, second = replica.progress(), replica.progress()
        assert first == WorkProgress(task.key, 0, owes_frame=owes_frame)
        assert second.shows_progress_since(first) is not owes_frame
    assert isinstance(ends[0], Finished)
