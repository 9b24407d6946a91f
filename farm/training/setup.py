"""What every worker of a training run is sent: plain values from which it builds its trainer and finds the run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from stages.training.build import TrainingRequest
    from stages.training.trainer import Trainer, Workers


class TrainerFactory(Protocol):
    """Builds a trainer inside a worker. Travels to it pickled, so it holds no network and no open file."""

    def __call__(self, request: TrainingRequest, *, workers: Workers, device: str) -> Trainer:
        """A trainer at its first step, on a device such as ``cpu`` or ``cuda:0``."""
        ...


@dataclass(frozen=True, slots=True)
class StageTrainers:
    """The trainers of the stages."""

    def __call__(self, request: TrainingRequest, *, workers: Workers, device: str) -> Trainer:
        """See `stages.training.build.build_trainer`."""
        # Imported here: only the workers need the networks.
        from stages.training.build import build_trainer

        return build_trainer(request, workers=workers, device=device)


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
class WorkerSetup:
    """What a worker needs to know.

    Attributes:
        request: What to train.
        trainers: Builds the trainer.
        cadence: Of checkpoints and validations.
        store: Address of the object store.
        prefix: Start of the run's keys in it.
        logs: Folder of TensorBoard events and contact sheets, on the machine of the first worker.
        threads: Threads of the numeric libraries in each worker.
    """

    request: TrainingRequest
    trainers: TrainerFactory
    cadence: Cadence
    store: str
    prefix: str
    logs: Path
    threads: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a run ended: what its report says of the training itself.

    Attributes:
        steps: Optimiser steps of the whole run.
        first_score: Validation score before the first step.
        best_score: Lowest validation score.
        best_step: Step of the weights that reached it.
        weights_key: Key of those weights in the store.
    """

    steps: int
    first_score: float
    best_score: float
    best_step: int
    weights_key: str
