"""Until every pair has figures or a reason why not: attempts are counted here, and what stops the whole job."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Protocol

from farm.crashes import name_file
from farm.evaluation.records import PairRecord
from farm.evaluation.worker import Judged, JudgeDied, PairTask
from jobs.errors import (
    EvaluationError,
    FarmError,
    InfrastructureError,
    OutputError,
    PairFailed,
    StoreError,
    WeightsMismatch,
)

ATTEMPTS: Final = 2
"""Starts of one pair while its worker dies or the store fails; then it is given up, and the others go on."""

_LOOK_S: Final = 1.0

Result = PairRecord | FarmError
"""A pair's figures, or why it has none."""


class Pool(Protocol):
    """Workers that judge, see `farm.execution.judge_pool`."""

    def submit(self, task: PairTask) -> None:
        """Take a task; it starts when a worker is free."""
        ...

    def wait(self, *, timeout_s: float) -> Sequence[Judged | JudgeDied]:
        """What happened since the last call; waits up to `timeout_s` for the first."""
        ...


class EvaluationListener(Protocol):
    """Watches an evaluation."""

    def judged(self, *, done: int, total: int) -> None:
        """So many pairs have figures, or none to hope for."""
        ...

    def note(self, message: str) -> None:
        """One sentence worth telling."""
        ...


def judge_all(
    tasks: Sequence[PairTask],
    *,
    pool: Pool,
    listener: EvaluationListener,
    found: int,
    cache: Path | None = None,
) -> dict[str, Result]:
    """The result of every task, by its name.

    Args:
        tasks: What to do.
        pool: Who does it.
        listener: Is told what happens.
        found: Pairs of the job that need nothing, for the count.
        cache: Where the tracebacks of what nobody foresaw are kept; among the temporary files with None.

    Raises:
        FarmError: What would meet every pair alike: a full disk, a missing model, a cluster that is gone.
    """
    results: dict[str, Result] = {}
    attempts: Counter[str] = Counter()
    for task in tasks:
        pool.submit(task)
    while len(results) < len(tasks):
        for outcome in pool.wait(timeout_s=_LOOK_S):
            task = outcome.task
            attempts[str(task)] += 1
            result = _result(outcome, attempts=attempts[str(task)])
            if result is None:
                listener.note(f"{task} is judged again: {_reason(outcome)}")
                pool.submit(task)
                continue
            if isinstance(result, FarmError):
                name_file(result, cache=cache, what=f"judge {task}")
                listener.note(f"{task} cannot be judged: {result.message}")
            results[str(task)] = result
            listener.judged(done=found + len(results), total=found + len(tasks))
    return results


def _result(outcome: Judged | JudgeDied, *, attempts: int) -> Result | None:
    """The end of a task, or None for another attempt."""
    if isinstance(outcome, JudgeDied):
        if attempts < ATTEMPTS:
            return None
        return PairFailed(
            f"its worker died {attempts} times; the last time: {outcome.reason}",
            where=str(outcome.task),
            code="worker_died",
            hint="see whether memory is short; judge it alone with farm evaluate --generated",
        )
    result = outcome.result
    if isinstance(result, FarmError) and _meets_all(result):
        raise result
    return None if _may_pass(result) and attempts < ATTEMPTS else result


def _meets_all(error: FarmError) -> bool:
    """Whether every other pair would end like this one."""
    if isinstance(error, OutputError):
        return not _may_pass(error)
    return isinstance(error, WeightsMismatch) or type(error) is EvaluationError


def _may_pass(result: Result) -> bool:
    return isinstance(result, InfrastructureError) or type(result) is StoreError


def _reason(outcome: Judged | JudgeDied) -> str:
    if isinstance(outcome, JudgeDied):
        return outcome.reason
    return outcome.result.message if isinstance(outcome.result, FarmError) else ""
