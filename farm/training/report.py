"""What a finished training run tells: how much it helped, and where its weights are."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingReport:
    """A finished run.

    Attributes:
        name: Name of the job.
        stage: What was trained: ``moda``, ``faco`` or ``renderer``.
        steps: Optimiser steps of the whole run.
        resumed_from: Step of the checkpoint that this start of the run went on from; None for a fresh one.
        first_score: Validation score before the first step.
        best_score: Lowest validation score, which chose the weights.
        best_step: Step of the chosen weights.
        weights: Path or ``s3://`` URI of the chosen weights.
        weights_sha256: Hash of them.
        checkpoints: Prefix of the run's keys in the store.
        logs: Folder with the TensorBoard events and the contact sheets.
        seconds: Wall clock of this start of the run.
        workers: Data-parallel workers.
    """

    name: str
    stage: str
    steps: int
    resumed_from: int | None
    first_score: float
    best_score: float
    best_step: int
    weights: str
    weights_sha256: str
    checkpoints: str
    logs: str
    seconds: float
    workers: int

    def as_record(self) -> dict[str, Any]:
        """The report as plain data for ``--json``."""
        return asdict(self) | {"seconds": round(self.seconds, 3)}
