"""The truth of a training run: checkpoints and best weights in the object store, each created once.

Keys below the run's prefix: ``checkpoints/step-00000200.safetensors`` and ``weights/step-00000200.safetensors``.
Weights are only exported when validation improves, so the best ones at any checkpoint are the newest exported until
then; that is what is kept of both, and what a resumed run starts from.
"""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

from farm.scheduling.failure_policy import patiently
from infra.storage import ObjectStore
from infra.storage.s3_problems import S3Problem
from jobs.errors import FarmError, ObjectNotFound, SegmentDivergence, StoreError
from jobs.farm_spec import FarmSpec
from stages.errors import WeightsError

logger = logging.getLogger(__name__)

_PATIENCE_S: Final = FarmSpec().patience
_DAMAGED: Final = frozenset({ObjectNotFound.default_code, S3Problem.DAMAGED.value})
_STEP = re.compile(r"/step-(\d{8,})\.safetensors")


@dataclass(frozen=True, slots=True, kw_only=True)
class Scores:
    """Validation so far.

    Attributes:
        first: Score before the first step.
        best: Lowest score.
        best_step: Step that reached it.
    """

    first: float = math.nan
    best: float = math.inf
    best_step: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """A point that a run can go on from.

    Attributes:
        step: Optimiser steps taken.
        trainer: State of the trainer, see `stages.training.trainer.Trainer.state`.
        scores: Validation so far.
    """

    step: int
    trainer: dict[str, Any]
    scores: Scores


def _log_wait(error: FarmError) -> None:
    logger.warning("the checkpoints wait, and are tried again: %s", error.line())


class CheckpointStore:
    """The checkpoints and best weights of one run. Written by the first worker alone."""

    def __init__(
        self,
        store: ObjectStore,
        *,
        prefix: str,
        keep: int,
        limit_s: float = _PATIENCE_S,
        told: Callable[[FarmError], object] = _log_wait,
    ) -> None:
        """The checkpoints below a prefix.

        Args:
            store: Where they are. One that does not answer is asked again, until patience is over.
            prefix: Start of the run's keys.
            keep: How many checkpoints stay, at least 1.
            limit_s: That patience.
            told: Is told why it waits.
        """
        self._patiently = partial(patiently, limit_s=limit_s, told=told)
        self._store = store
        self._prefix = prefix.rstrip("/")
        self._keep = keep

    def weights_key(self, step: int) -> str:
        """Key of the weights that were best when they were exported at a step."""
        return f"{self._prefix}/weights/step-{step:08d}.safetensors"

    def save(self, checkpoint: Checkpoint) -> None:
        """Write a checkpoint, and delete what none of the kept ones needs.

        Raises:
            StoreError: The store failed.
        """
        from stages.training.checkpoint import checkpoint_bytes

        data = checkpoint_bytes({"trainer": checkpoint.trainer, "scores": asdict(checkpoint.scores)})
        self._put(self._checkpoint_key(checkpoint.step), data)
        self._delete_old()

    def export(self, step: int, weights: Path) -> None:
        """Keep the weights of a step as the best so far.

        Raises:
            StoreError: The store failed.
        """
        self._put(self.weights_key(step), weights)

    def newest(self) -> Checkpoint | None:
        """The newest checkpoint that can be read and whose best weights are there; None for a fresh run.

        What is damaged is named in the log and deleted, and so is all that a lost worker wrote after the checkpoint:
        the steps are taken again.

        Raises:
            StoreError: The store failed.
        """
        found: Checkpoint | None = None
        for step in reversed(self._steps("checkpoints")):
            found = self._intact(step)
            if found is not None:
                break
        self._delete_after(-1 if found is None else found.step)
        return found

    def read(self, step: int) -> Checkpoint:
        """The checkpoint of a step.

        Raises:
            StoreError: It is not there, or damaged, or the store failed.
            WeightsError: It is not a checkpoint.
        """
        from stages.training.checkpoint import checkpoint_state

        key = self._checkpoint_key(step)
        state = checkpoint_state(self._patiently(partial(self._store.get, key)), where=key)
        try:
            return Checkpoint(step=step, trainer=state["trainer"], scores=Scores(**state["scores"]))
        except (KeyError, TypeError) as error:
            raise WeightsError(
                code="weights_unreadable", what="not a checkpoint of a training run", where=key
            ) from error

    def _intact(self, step: int) -> Checkpoint | None:
        try:
            checkpoint = self.read(step)
            key = self.weights_key(checkpoint.scores.best_step)
            if self._patiently(partial(self._store.head, key)) is None:
                raise ObjectNotFound("the best weights of this checkpoint are gone", where=key)
        except (StoreError, WeightsError) as error:
            if isinstance(error, StoreError) and error.code not in _DAMAGED:
                raise  # the store refuses or does not answer; its objects may be fine
            logger.warning("the checkpoint of step %d is damaged and deleted: %s", step, error)
            self._delete("checkpoints", {step})
            return None
        return checkpoint

    def _put(self, key: str, data: bytes | Path) -> None:
        try:
            self._patiently(partial(self._store.put_if_absent, key, data))
        except SegmentDivergence as error:
            # A worker that was given up may still have written it. It is the same step of the same run, rounded by
            # another device, so it serves as well as ours.
            logger.warning("%s is there already with other bytes and stays: %s", key, error.message)

    def _delete_old(self) -> None:
        checkpoints = self._steps("checkpoints")
        kept = checkpoints[-self._keep :]
        weights = self._steps("weights")
        needed = {max((step for step in weights if step <= kept_step), default=-1) for kept_step in kept}
        needed.add(max(weights, default=-1))
        self._delete("checkpoints", set(checkpoints) - set(kept))
        self._delete("weights", set(weights) - needed)

    def _delete_after(self, step: int) -> None:
        for folder in ("checkpoints", "weights"):
            self._delete(folder, {later for later in self._steps(folder) if later > step})

    def _delete(self, folder: str, steps: set[int]) -> None:
        for step in sorted(steps):
            self._patiently(
                partial(self._store.delete, f"{self._prefix}/{folder}/step-{step:08d}.safetensors")
            )

    def _steps(self, folder: str) -> list[int]:
        return self._patiently(lambda: sorted(_steps_of(self._store.list(f"{self._prefix}/{folder}/"))))

    def _checkpoint_key(self, step: int) -> str:
        return f"{self._prefix}/checkpoints/step-{step:08d}.safetensors"


def _steps_of(keys: Iterator[str]) -> Iterator[int]:
    for key in keys:
        match = _STEP.search(key)
        if match is not None:
            yield int(match[1])


def best_of(scores: Scores, *, step: int, score: float) -> Scores:
    """The scores after one more validation."""
    first = score if math.isnan(scores.first) else scores.first
    if score < scores.best:
        return Scores(first=first, best=score, best_step=step)
    return Scores(first=first, best=scores.best, best_step=scores.best_step)
