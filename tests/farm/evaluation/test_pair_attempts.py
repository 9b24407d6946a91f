"""Who gets another attempt, who is given up, and what stops everybody."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from fake_judge import take
from raising import RAISING, raiser

from farm.evaluation import evaluate_job
from farm.evaluation.evaluate_job import ATTEMPTS, judge_all
from farm.evaluation.judge import JudgeOptions, PairFiles
from farm.evaluation.records import PairRecord
from farm.evaluation.worker import Judged, JudgeDied, PairTask, PairWorker, WorkSetup
from farm.scheduling import failure_policy
from jobs.errors import (
    DiskFull,
    EvaluationError,
    FarmError,
    InfrastructureError,
    PairFailed,
    StoreError,
    StoreUnavailable,
    SubjectRefused,
    WeightsMismatch,
)
from jobs.evaluation_pairs import EvaluationPair

DEATH = "killed"
FIGURES = PairRecord(takes=(take(PairFiles(takes=(Path("a"),), truth=Path("b"), speech=None), lmd=1.0),))


class ScriptedPool:
    """Answers each start of a task with the next line of its script."""

    def __init__(self, **scripts: Sequence[PairRecord | FarmError | str]) -> None:
        self._scripts = {f"ours/{clip}": list(script) for clip, script in scripts.items()}
        self._waiting: list[PairTask] = []
        self.starts: list[str] = []

    def submit(self, task: PairTask) -> None:
        self._waiting.append(task)

    def wait(self, *, timeout_s: float) -> list[Judged | JudgeDied]:
        task = self._waiting.pop(0)
        self.starts.append(task.pair.clip)
        line = self._scripts[str(task)].pop(0)
        if isinstance(line, str):
            return [JudgeDied(task=task, reason=line)]
        return [Judged(task=task, result=line)]


def task(clip: str) -> PairTask:
    pair = EvaluationPair(
        system="ours", clip=clip, generated=("a",), truth="b", speech=None, field="spec.pairs[0]"
    )
    return PairTask(pair=pair, key="key", plots=None)


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(failure_policy, "FIRST_WAIT_S", 0.01)


@pytest.mark.parametrize("mishap", [DEATH, StoreUnavailable("busy"), InfrastructureError("no memory")])
def test_what_may_pass_gets_another_attempt(mishap: FarmError | str, notes: object) -> None:
    pool = ScriptedPool(a=[mishap, FIGURES], b=[FIGURES])
    results = judge_all([task("a"), task("b")], pool=pool, listener=notes, found=0)
    assert results == {"ours/a": FIGURES, "ours/b": FIGURES}
    assert pool.starts == ["a", "b", "a"]


@pytest.mark.parametrize("mishap", [DEATH, InfrastructureError("no memory")])
def test_what_does_not_pass_is_given_up(mishap: FarmError | str, notes: object) -> None:
    pool = ScriptedPool(a=[mishap] * ATTEMPTS, b=[FIGURES])
    results = judge_all([task("a"), task("b")], pool=pool, listener=notes, found=0)
    assert isinstance(results["ours/a"], FarmError)
    assert results["ours/b"] is FIGURES


@pytest.mark.parametrize("error", [SubjectRefused("no face"), PairFailed("a bug")])
def test_what_would_come_again_is_not_repeated(error: FarmError, notes: object) -> None:
    pool = ScriptedPool(a=[error], b=[FIGURES])
    results = judge_all([task("a"), task("b")], pool=pool, listener=notes, found=3)
    assert results["ours/a"] is error
    assert notes.counts == [(4, 5), (5, 5)]


@pytest.mark.parametrize(
    "error",
    [
        DiskFull("full"),
        WeightsMismatch("altered"),
        EvaluationError("not installed"),
        StoreError("denied", code="store_denied"),
    ],
)
def test_what_would_meet_every_pair_stops_the_job(error: FarmError, notes: object) -> None:
    pool = ScriptedPool(a=[error], b=[FIGURES])
    with pytest.raises(type(error)):
        judge_all([task("a"), task("b")], pool=pool, listener=notes, found=0)
    assert pool.starts == ["a"]


def test_a_store_that_does_not_answer_is_waited_for_and_then_ends_the_job_with_its_own_error(
    notes: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    away = StoreUnavailable("S3 cannot be reached", code="store_unreachable")
    pool = ScriptedPool(a=[away] * 5 + [FIGURES], b=[away, FIGURES])
    results = judge_all([task("a"), task("b")], pool=pool, listener=notes, found=0)
    assert results == {"ours/a": FIGURES, "ours/b": FIGURES}
    assert pool.starts.count("a") == 6

    monkeypatch.setattr(evaluate_job, "WATCHED_PATIENCE_S", 0.1)
    pool = ScriptedPool(a=[away] * 100, b=[away] * 100)
    with pytest.raises(StoreUnavailable) as caught:
        judge_all([task("a"), task("b")], pool=pool, listener=notes, found=0)
    assert caught.value is away


@pytest.mark.parametrize("kind", RAISING)
def test_what_nobody_foresaw_over_a_pair_is_a_row_that_names_its_file(
    kind: str, notes: object, tmp_path: Path
) -> None:
    class TrippingJudge:
        def judge(self, *_: object, **__: object) -> PairRecord:
            result: PairRecord = raiser(kind)()
            return result

    setup = WorkSetup(
        store=str(tmp_path / "store"), cache=tmp_path, options=JudgeOptions(measures=(), sample_every=1)
    )
    worker = PairWorker(judge=TrippingJudge(), setup=setup)
    (tmp_path / "a").touch()
    (tmp_path / "b").touch()
    pair = replace(task("a").pair, generated=(str(tmp_path / "a"),), truth=str(tmp_path / "b"))
    answers = [pickle.loads(pickle.dumps(worker.perform(replace(task("a"), pair=pair)))) for _ in range(2)]
    pool = ScriptedPool(a=answers, b=[FIGURES])
    results = judge_all([task("a"), task("b")], pool=pool, listener=notes, found=0, cache=tmp_path)  # type: ignore[arg-type]
    error = results["ours/a"]
    assert isinstance(error, InfrastructureError if kind == "MemoryError" else PairFailed)
    assert results["ours/b"] is FIGURES
    file = Path(error.as_record()["traceback_file"])
    assert file.parent == tmp_path / "crashes"
    assert kind in file.read_text()
    assert str(file) in error.hint
