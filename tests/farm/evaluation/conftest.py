"""A set of clips by two systems, a judge that reads them, and the job that compares them."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest

# The small judge is a plain module beside the tests, not part of any package.
sys.path.insert(0, str(Path(__file__).parent))

from fake_judge import FakeJudge

from farm.evaluation.evaluate_job import evaluate_job
from farm.evaluation.judge import PairJudge
from farm.evaluation.records import EvaluationReport
from farm.evaluation.worker import Judged, PairTask, PairWorker, WorkSetup
from infra.settings import FarmSettings
from jobs.parse import load_evaluation

WriteVideos = Callable[..., None]
Evaluate = Callable[..., EvaluationReport]


class Notes:
    """A listener that remembers."""

    def __init__(self) -> None:
        self.counts: list[tuple[int, int]] = []
        self.said: list[str] = []

    def judged(self, *, done: int, total: int) -> None:
        self.counts.append((done, total))

    def note(self, message: str) -> None:
        self.said.append(message)


class InlinePool:
    """One worker in this process."""

    def __init__(self, worker: PairWorker) -> None:
        self._worker = worker
        self._waiting: deque[PairTask] = deque()

    def submit(self, task: PairTask) -> None:
        self._waiting.append(task)

    def wait(self, *, timeout_s: float) -> list[Judged]:
        task = self._waiting.popleft()
        return [Judged(task=task, result=self._worker.perform(task))]


def opened_inline(judge: PairJudge) -> Callable[[WorkSetup, int], AbstractContextManager[InlinePool]]:
    @contextmanager
    def opened(setup: WorkSetup, pairs: int) -> Iterator[InlinePool]:
        yield InlinePool(PairWorker(judge=judge, setup=setup))

    return opened


@pytest.fixture(autouse=True)
def _engine(monkeypatch: pytest.MonkeyPatch) -> None:
    """The code may be edited while tests run; what a job finds of its last run must not depend on that."""
    monkeypatch.setattr("farm.evaluation.evaluate_job.engine_identity", lambda: "0.0.0+test")


@pytest.fixture
def judge(tmp_path: Path) -> FakeJudge:
    notes = tmp_path / "notes"
    notes.mkdir()
    return FakeJudge(notes=notes)


@pytest.fixture
def write_videos(tmp_path: Path) -> WriteVideos:
    """write_videos(system, a="LMD 2"): the clips of a system; their truths where there are none yet."""

    def write(system: str, **texts: str) -> None:
        for clip, text in texts.items():
            for path, content in ((f"out/{system}/{clip}.mp4", text), (f"test/{clip}.mp4", f"true {clip}")):
                (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
                (tmp_path / path).write_text(content)

    return write


@pytest.fixture
def write_job(tmp_path: Path) -> Callable[..., Path]:
    """write_job(output=..., **fields of the spec): the file of a job over all systems that were written."""

    def write(**fields: str) -> Path:
        systems = sorted(path.name for path in (tmp_path / "out").iterdir())
        spec = {
            "systems": "{" + ", ".join(f"{name}: out/{name}" for name in systems) + "}",
            "truth": "test",
            "output": "{uri: report}",
        } | fields
        lines = ["apiVersion: farm/v1", "kind: EvaluateJob", "metadata: {name: table}", "spec:"]
        path = tmp_path / "job.yaml"
        path.write_text("\n".join([*lines, *(f"  {name}: {value}" for name, value in spec.items())]) + "\n")
        return path

    return write


@pytest.fixture
def notes() -> Notes:
    return Notes()


@pytest.fixture
def evaluate(settings: FarmSettings, judge: FakeJudge, notes: Notes, write_job: Any) -> Evaluate:
    """Runs the job in this process; keywords are `open_pool` and fields of its spec."""

    def run(*, open_pool: Any = None, **fields: str) -> EvaluationReport:
        return evaluate_job(
            load_evaluation(write_job(**fields)),
            settings=settings,
            open_pool=open_pool or opened_inline(judge),
            listener=notes,
        )

    return run
