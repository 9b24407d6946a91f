"""The loop every stage's training runs in: step, validate, save; the same with and without Ray.

All workers take every step. The first one alone validates, writes and reports; the others meet it at a barrier after
each validation, and nowhere else: the gradients that they exchange keep them in step.
"""

from __future__ import annotations

import math
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from farm.training.checkpoints import Checkpoint, CheckpointStore, Scores, best_of
from farm.training.logs import TensorBoardLog
from farm.training.progress import TrainingAdvanced, TrainingEvent, Validated
from jobs.errors import Cancelled, TrainingFailed
from stages.training.trainer import Trainer

_REPORT_SECONDS: Final = 1.0
"""A line to the driver costs about a millisecond; more than one a second nobody can read."""

_LOG_STEPS: Final = 10
"""Steps whose mean is one point of a curve: counted, not timed, so that a resumed run draws the same points."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cadence:
    """How often a run does what is not a step, in steps.

    Attributes:
        checkpoint: Steps between checkpoints; the last step has one in any case.
        keep: Checkpoints that stay; older ones are deleted.
        validate: Steps between validations; there is one before the first step and one after the last.
    """

    checkpoint: int
    keep: int
    validate: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a run ended: what its report says of the training itself.

    Attributes:
        steps: Optimiser steps of the whole run.
        first_score: Validation score before the first step.
        best_score: Lowest validation score.
        best_step: Step of the weights that reached it.
        weights_key: Key of those weights in the store.
        resumed_from: Step of the checkpoint that this start of the run went on from; None for a fresh run. The driver
            alone knows: what a worker went on from may be of the same start.
    """

    steps: int
    first_score: float
    best_score: float
    best_step: int
    weights_key: str
    resumed_from: int | None = None


class WorkerGroup(Protocol):
    """The data-parallel workers of a run, as one of them sees them."""

    @property
    def rank(self) -> int:
        """Number of this worker, from 0; the first one measures and writes for all."""
        ...

    @property
    def count(self) -> int:
        """How many there are."""
        ...

    def wait(self) -> None:
        """Return when every worker has come here."""
        ...

    def from_first(self, value: int | None) -> int | None:
        """The first worker's value, on every worker; waits for all of them."""
        ...

    def tell(self, event: TrainingEvent) -> None:
        """Pass an event to the driver.

        Raises:
            Cancelled: The driver asks the run to stop.
        """
        ...


class TrainingLoop:
    """One worker's part of a run."""

    def __init__(
        self,
        trainer: Trainer,
        *,
        group: WorkerGroup,
        checkpoints: CheckpointStore,
        cadence: Cadence,
        log: TensorBoardLog | None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Args: log: of the first worker; clock: seconds, for what is told to the driver alone."""
        self._trainer = trainer
        self._group = group
        self._checkpoints = checkpoints
        self._cadence = cadence
        self._log = log
        self._clock = clock
        self._scores = Scores()
        self._curve = _LossMeans()
        self._since_report = _LossMeans()
        self._reported_at = clock()
        self._training_s = 0.0

    def resume(self, checkpoint: Checkpoint) -> None:
        """Go on from a checkpoint."""
        self._trainer.restore(checkpoint.trainer)
        self._scores = checkpoint.scores

    def run(self) -> Outcome | None:
        """Train to the last step; the first worker tells how it ended.

        Raises:
            Cancelled: Somebody asked the run to stop; the step it had come to is saved.
            TrainingFailed: A loss or score is not a number.
            StoreError: The store failed.
        """
        try:
            if self._trainer.step == 0:
                self._validate()
            while self._trainer.step < self._trainer.steps:
                self._step()
        except Cancelled:
            # Only the first worker hears it, and only between two steps.
            if self._trainer.step:
                self._save()
            raise
        return self._outcome() if self._is_first else None

    @property
    def _is_first(self) -> bool:
        return self._group.rank == 0

    def _step(self) -> None:
        started = self._clock()
        losses = self._trainer.train_step()
        self._training_s += self._clock() - started
        step = self._trainer.step
        _check_finite(losses, step=step, what="a loss")
        if self._is_first:
            self._curve.add(losses)
            self._since_report.add(losses)
            if self._log is not None and (step % _LOG_STEPS == 0 or self._is_last):
                self._log.losses(self._curve.take(), step=step)
        if step % self._cadence.validate == 0 or self._is_last:
            self._validate()
        if self._is_first:
            if step % self._cadence.checkpoint == 0 or self._is_last:
                self._save()
            self._report()

    @property
    def _is_last(self) -> bool:
        return self._trainer.step >= self._trainer.steps

    def _validate(self) -> None:
        if self._is_first:
            self._measure()
        self._group.wait()

    def _measure(self) -> None:
        step = self._trainer.step
        validation = self._trainer.validate()
        _check_finite(
            {**validation.losses, "score": validation.score}, step=step, what="a validation measure"
        )
        scores = best_of(self._scores, step=step, score=validation.score)
        is_best = scores.best_step == step and scores.best == validation.score
        if is_best:
            with tempfile.TemporaryDirectory(prefix="farm-") as folder:
                weights = Path(folder) / "weights.safetensors"
                self._trainer.export(weights)
                self._checkpoints.export(step, weights)
        self._scores = scores
        if self._log is not None:
            self._log.validation(validation, step=step, seconds=self._training_s)
        self._group.tell(
            Validated(step=step, losses=validation.losses, score=validation.score, is_best=is_best)
        )

    def _save(self) -> None:
        self._checkpoints.save(
            Checkpoint(step=self._trainer.step, trainer=self._trainer.state(), scores=self._scores)
        )

    def _report(self) -> None:
        now = self._clock()
        if now - self._reported_at < _REPORT_SECONDS and not self._is_last:
            return
        self._reported_at = now
        self._group.tell(
            TrainingAdvanced(
                step=self._trainer.step, steps=self._trainer.steps, losses=self._since_report.take()
            )
        )

    def _outcome(self) -> Outcome:
        return Outcome(
            steps=self._trainer.step,
            first_score=self._scores.first,
            best_score=self._scores.best,
            best_step=self._scores.best_step,
            weights_key=self._checkpoints.weights_key(self._scores.best_step),
        )


class _LossMeans:
    """Collects the losses of steps and hands out their means."""

    def __init__(self) -> None:
        self._sums: dict[str, float] = {}
        self._steps = 0

    def add(self, losses: Mapping[str, float]) -> None:
        """Count the losses of one step."""
        self._steps += 1
        for name, value in losses.items():
            self._sums[name] = self._sums.get(name, 0.0) + value

    def take(self) -> dict[str, float]:
        """The means over the steps counted; counting starts afresh."""
        means = {name: value / self._steps for name, value in self._sums.items()}
        self._sums, self._steps = {}, 0
        return means


def _check_finite(values: Mapping[str, float], *, step: int, what: str) -> None:
    """Refuse to go on with numbers that are none: every later step would be lost.

    Raises:
        TrainingFailed: A value is NaN or infinite.
    """
    broken = [name for name, value in values.items() if not math.isfinite(value)]
    if broken:
        raise TrainingFailed(
            f"{what} of step {step} is not a finite number: {', '.join(broken)}",
            where=f"step {step}",
            hint="use a smaller learning rate, or look for broken frames in the clips",
            code="training_diverged",
        )
