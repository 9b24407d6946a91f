"""A farm whose replicas run in this process, and the studio that gives it work."""

from __future__ import annotations

import hashlib
import json
import time
import wave
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from fake_stages import FakeStages, Fault

from farm.config import PoolSizes
from farm.coordination.coordinator import FarmCoordinator, coordinating
from farm.coordination.state import FarmServices, Unwatched
from farm.execution.pools.backend import PoolBackend
from farm.execution.pools.inline_pools import InlinePools
from farm.ledger import LedgerJob, load_ledger
from infra.journal import Journal, open_journal
from infra.storage import open_store
from jobs.farm_requests import (
    AnyRequest,
    RequestAnswer,
    SubmitRequest,
    WhyRequest,
)
from jobs.farm_spec import FarmPool, FarmSpec


class SmallFarm:
    """Folders of one farm, and one run of it at a time."""

    def __init__(
        self,
        folder: Path,
        *,
        faults: tuple[Fault, ...] = (),
        replicas: int = 2,
        seconds_per_segment: float = 0.0,
        journal: str = "",
    ) -> None:
        self.folder = folder
        folder.mkdir(exist_ok=True)
        self.pools = PoolSizes(render=replicas)
        self.journal_address = journal or str(folder / "farm.sqlite")
        self.journal = open_journal(self.journal_address)
        self.stages = FakeStages.in_folder(
            folder / "stages", faults=faults, seconds_per_segment=seconds_per_segment
        )
        self.rules = FarmSpec(pool=FarmPool(max_tries_failed=2))
        self.speak("hello.wav", seconds=9.0)
        self._tokens = 0

    def speak(self, name: str, *, seconds: float, pitch: float = 220.0) -> None:
        """Write a recording."""
        time_S = np.arange(round(seconds * 16_000)) / 16_000
        sound_S = (0.3 + 0.25 * np.sin(2.3 * time_S)) * np.sin(2 * np.pi * pitch * time_S)
        with wave.open(str(self.folder / name), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(16_000)
            file.writeframes((sound_S * 32767).astype("<i2").tobytes())

    @property
    def services(self) -> FarmServices:
        return FarmServices(
            store=open_store(str(self.folder / "store")),
            cache=self.folder / "cache",
            stages=self.stages,
            device_kind="cpu test",
            bundles=self.folder / "bundles",
        )

    @contextmanager
    def running(
        self,
        backend: PoolBackend | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        journal: Journal | None = None,
        background: Any = None,
    ) -> Iterator[FarmCoordinator]:
        """One run of the farm."""
        pools = backend or InlinePools(stages=self.stages)
        coordinator = FarmCoordinator(
            services=self.services,
            journal=journal or self.journal,
            backend=pools,
            rules=self.rules,
            pools=self.pools,
            watcher=Unwatched(),
            owner="a test",
            clock=clock,
            # In one thread, what is asked between two turns is answered in the next, whatever the pace of the machine.
            look_s=0.2 if backend else 0.0,
        )
        try:
            if background is not None:
                coordinator.state.background.close()
                coordinator.state.background = background
            with coordinating(coordinator):
                coordinator.restore()
                pools.start(self.pools)
                yield coordinator
        finally:
            pools.close()

    def run(self, *, until: Callable[[], bool] | None = None, steps: int = 3000) -> None:
        """Run the farm until nothing is left to do, or for longer than any test needs."""
        with self.running() as coordinator:
            for _ in range(steps):
                if until() if until else coordinator.is_idle:
                    return
                coordinator.step()
        raise AssertionError("the farm does not come to an end")

    def document(self, name: str = "hello", **spec: Any) -> dict[str, Any]:
        fields = {"speech": "hello.wav", "subject": "builtin:fake", "output": {"uri": f"out/{name}.mp4"}}
        return {
            "apiVersion": "farm/v1",
            "kind": "RenderJob",
            "metadata": {"name": name, "project": "tests"},
            "spec": fields | spec,
        }

    def submit(
        self, name: str = "hello", *, studio: str = "north", on_hold: bool = False, **spec: Any
    ) -> str:
        """Ask for a job; gives the name that it will have."""
        request = SubmitRequest(
            document=self.document(name, **spec), folder=str(self.folder), studio=studio, on_hold=on_hold
        )
        return f"{name}-{self.ask(request)}"

    def ask(self, request: AnyRequest) -> int:
        self._tokens += 1
        return self.journal.ask(request.model_dump_json(), token=f"token-{self._tokens}")

    def answer(self, number: int) -> RequestAnswer:
        body = self.journal.answer_to(number)
        assert body is not None, "nobody answered"
        return RequestAnswer.model_validate_json(body)

    def why(self, name: str) -> str:
        """What the farm says of the job once it has nothing left to do."""
        with self.running() as coordinator:
            coordinator.run_until(lambda: coordinator.is_idle)
            number = self.ask(WhyRequest(job=name))
            coordinator.run_until(lambda: self.journal.answer_to(number) is not None)
        return self.answer(number).text

    def job(self, name: str) -> LedgerJob:
        """The job as the journal knows it."""
        return load_ledger(self.journal)[0].jobs[name]

    def journal_jobs(self) -> frozenset[str]:
        """Names of the jobs that the journal knows."""
        return frozenset(load_ledger(self.journal)[0].jobs)

    def master(self, name: str = "hello", take: int = 1) -> Path:
        suffix = "" if take == 1 else f".take{take}"
        return self.folder / "out" / f"{name}{suffix}.mp4"

    def sha256(self, name: str = "hello", take: int = 1) -> str:
        return hashlib.sha256(self.master(name, take).read_bytes()).hexdigest()

    def manifest(self, name: str = "hello") -> dict[str, Any]:
        content: dict[str, Any] = json.loads((self.folder / "out" / f"{name}.manifest.json").read_text())
        return content

    def renders(self) -> int:
        """Segments that some renderer began."""
        return self.stages.noted("render-")
