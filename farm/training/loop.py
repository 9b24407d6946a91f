"""The loop every stage's training runs in: step, validate, save; the same with and without Ray.

All workers take every step. The first one alone validates, writes and reports; the others meet it at a barrier after
each validation, and nowhere else: the gradients that they exchange keep them in step.
"""

from __future__ import annotations

import logging
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from farm.training.checkpoints import Checkpoint, CheckpointStore, Scores, best_of
from farm.training.logs import TrainingLog
from farm.training.losses import LossMeans, check_finite
from farm.training.progress import TrainingAdvanced, Validated
from farm.training.setup import Cadence, Outcome
from farm.training.worker_group import WorkerGroup
from jobs.errors import Cancelled
from stages.training.trainer import Trainer

logger = logging.getLogger(__name__)

_REPORT_SECONDS: Final = 1.0
"""A line to the driver costs about a millisecond; more than one a second nobody can read."""

_LOG_STEPS: Final = 10
"""Steps whose mean is one point of a curve: counted, not timed, so that a resumed run draws the same points."""


class TrainingLoop:
    """One worker's part of a run."""

    def __init__(
        self,
        trainer: Trainer,
        *,
        group: WorkerGroup,
        checkpoints: CheckpointStore,
        cadence: Cadence,
        log: TrainingLog | None,
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
        self._curve = LossMeans()
        self._since_report = LossMeans()
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
        check_finite(losses, step=step, what="a loss")
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
        check_finite({**validation.losses, "score": validation.score}, step=step, what="a validation measure")
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
