"""What does jobs in one piece in a replica: subjects are prepared, networks are trained, videos are judged.

Each goes on from what an earlier try left: a preparation after its last whole step, a training from its last
checkpoint, an evaluation without the pairs that have figures.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Self

from farm.evaluation.evaluate_job import Pool, evaluate_job
from farm.evaluation.judge import PairJudge, VideoJudge
from farm.evaluation.worker import Judged, JudgeDied, PairTask, PairWorker, WorkSetup
from farm.execution.calls import WholeCall, WholeDone, WholeStep
from farm.execution.whole_work import Tell
from farm.execution.work_watch import StopAsked
from farm.subject_preparation import prepare_package
from farm.training.installed import check_training_installed
from farm.training.worker import TrainerFactory
from infra.settings import FarmSettings
from jobs.errors import Cancelled, FarmError, InternalError
from jobs.parse import LoadedEvaluation, LoadedTraining
from jobs.prepare_job import LoadedPreparation
from jobs.queued import parse_queued


@dataclass(frozen=True, slots=True, kw_only=True)
class StageWork:
    """The work of the stages, see `WholeWork`.

    Attributes:
        settings: Where the store and the cache are; without a secret.
        judge: What measures videos.
        trainers: Builds trainers; the stages' own with None.
    """

    settings: FarmSettings
    judge: PairJudge
    trainers: TrainerFactory | None = None

    @classmethod
    def of(cls, settings: FarmSettings, *, judge: PairJudge | None = None) -> Self:
        """The work under the settings of a process; its secrets do not travel to the replicas."""
        return cls(settings=replace(settings, key="", journal=""), judge=judge or VideoJudge())

    def perform(self, call: WholeCall, *, device: str, tell: Tell) -> WholeDone:
        """See `WholeWork.perform`."""
        loaded = parse_queued(call.document, folder=call.folder, where=call.name)
        loaded = replace(loaded, overwrite=call.overwrite)
        steps = _Steps(tell)
        try:
            if isinstance(loaded, LoadedPreparation):
                return _prepare(loaded, steps)
            if isinstance(loaded, LoadedTraining):
                return self._train(loaded, steps, device=device)
            if isinstance(loaded, LoadedEvaluation):
                return self._evaluate(loaded, steps)
        except Exception:
            if steps.is_stopped:
                raise StopAsked from None
            raise
        raise InternalError("a render is no work in one piece", where=call.name)

    def _train(self, loaded: LoadedTraining, steps: _Steps, *, device: str) -> WholeDone:
        check_training_installed()
        # Imported here: only a replica that trains needs what it imports.
        from farm.training.train_job import train_in_process

        report = train_in_process(
            loaded, settings=self.settings, device=device, listener=steps, trainers=self.trainers
        )
        resumed = "" if report.resumed_from is None else f", from step {report.resumed_from}"
        scores = f"{report.first_score:.5g} before, {report.best_score:.5g} at step {report.best_step}"
        told = [f"{report.steps} steps{resumed}; validation {scores}"]
        if report.limits is not None:
            told += [f"not good: {figure}; its videos will be rejected" for figure in report.limits.beyond]
        outputs = [report.weights, *([str(loaded.subject)] if loaded.subject is not None else [])]
        return WholeDone(outputs=tuple(outputs), told=tuple(told))

    def _evaluate(self, loaded: LoadedEvaluation, steps: _Steps) -> WholeDone:
        @contextmanager
        def opened(setup: WorkSetup, _pairs: int) -> Iterator[Pool]:
            yield _OwnProcess(PairWorker(judge=self.judge, setup=setup))

        report = evaluate_job(loaded, settings=self.settings, open_pool=opened, listener=steps)
        failed = [row.result for row in report.failures if isinstance(row.result, FarmError)]
        told = [f"{len(report.rows) - len(failed)} of {len(report.rows)} pairs have figures"]
        told += [error.line() for error in failed]
        return WholeDone(outputs=(f"{report.output}/report.md",), told=tuple(told))


def _prepare(loaded: LoadedPreparation, steps: _Steps) -> WholeDone:
    preparing = loaded.preparing
    report = prepare_package(
        preparing, progress=lambda step, done, total: steps.show(str(step), done=done, total=total)
    )
    advice = [f"{verdict.code}: {verdict.advice}" for verdict in report.verdicts if verdict.advice]
    return WholeDone(outputs=(str(preparing.out),), told=(*report.told, *advice))


class _OwnProcess:
    """A `Pool` of one worker, in this process."""

    def __init__(self, worker: PairWorker) -> None:
        self._worker = worker
        self._waiting: deque[PairTask] = deque()

    def submit(self, task: PairTask) -> None:
        """See `Pool.submit`."""
        self._waiting.append(task)

    def wait(self, *, timeout_s: float) -> Sequence[Judged | JudgeDied]:
        """Judge the next pair, however long that takes."""
        if not self._waiting:
            return ()
        task = self._waiting.popleft()
        return (Judged(task=task, result=self._worker.perform(task)),)


class _Steps:
    """Tells how far the work is, whatever it is; listens to trainings and to evaluations.

    Attributes:
        is_stopped: Somebody wants the work to stop. Whoever does it sees a `Cancelled`, which saves what is to be kept
            and comes through wherever errors are translated.
    """

    def __init__(self, tell: Tell) -> None:
        self._tell = tell
        self._steps = 0
        self.is_stopped = False

    def show(self, step: str, *, done: int, total: int) -> None:
        """So many units of a step are done."""
        try:
            self._tell(WholeStep(step=step, done=done, total=total))
        except StopAsked:
            self.is_stopped = True
            raise Cancelled("stopped from outside", where=step) from None

    def judged(self, *, done: int, total: int) -> None:
        """See `EvaluationListener.judged`."""
        self.show("judge", done=done, total=total)

    def note(self, message: str) -> None:
        """What went wrong with a pair is told in the end."""

    def resumed(self, *, step: int) -> None:
        """See `TrainingListener.resumed`."""
        self.show("resume", done=step, total=0)

    def advanced(self, *, step: int, steps: int, losses: Mapping[str, float]) -> None:
        """See `TrainingListener.advanced`."""
        self._steps = steps
        self.show("train", done=step, total=steps)

    def validated(self, *, step: int, losses: Mapping[str, float], score: float, is_best: bool) -> None:
        """See `TrainingListener.validated`."""
        self.show("train", done=step, total=self._steps)

    def restarted(self, *, reason: str, attempt: int) -> None:
        """A replica that is lost is the scheduler's."""

    def waits(self, *, reason: str) -> None:
        """The store is asked again; nothing is further."""
