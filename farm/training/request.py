"""From a train job to what the stages are asked to train: words become files, and nothing is left to resolve."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from farm.training.setup import Cadence
from infra.fetch import fetch_file
from jobs.parse import LoadedTraining
from jobs.train_spec import BASE
from stages.builtin import builtin_weights
from stages.training.build import TrainingRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingPlan:
    """A train job that is ready to run.

    Attributes:
        name, project: Of the job.
        request: What the stages are asked.
        cadence: Of checkpoints and validations.
        workers: Data-parallel workers.
        output: Path or ``s3://`` URI of the weights.
        subject: Package that receives the weights, or None.
        overwrite: Whether files that the farm did not write may be replaced.
    """

    name: str
    project: str
    request: TrainingRequest
    cadence: Cadence
    workers: int
    output: str
    subject: Path | None
    overwrite: bool = False


def plan_training(job: LoadedTraining, *, cache: Path) -> TrainingPlan:
    """Find what a train job names.

    Args:
        job: The job.
        cache: Folder for weights that come from S3.

    Raises:
        InputNotFound: Clips or the weights to start from are not there.
        OutputError: The cache cannot be written.
    """
    spec, found = job.job.spec, job.find_clips()
    network = spec.network
    request = TrainingRequest(
        stage=spec.stage,
        clips=found.training,
        held_out=found.held_out,
        preset=spec.preset,
        losses=network.losses,
        start_from=_start_from(job.start_from, cache=cache),
        seed=spec.seed,
        steps=spec.steps,
        batch_size=spec.batch_size,
        learning_rate=spec.learning_rate,
        attention=network.attention,
        posterior=network.posterior,
        encoder=network.encoder,
        temporal_encoding=network.temporal_encoding,
        composed_face=network.composed_face,
    )
    return TrainingPlan(
        name=job.job.metadata.name,
        project=job.job.metadata.project,
        request=request,
        cadence=Cadence(
            checkpoint=spec.checkpoints.every, keep=spec.checkpoints.keep, validate=spec.validation.every
        ),
        workers=spec.workers,
        output=job.output,
        subject=job.subject,
        overwrite=job.overwrite,
    )


def _start_from(start: str | None, *, cache: Path) -> Path | None:
    if start is None:
        return None
    if start == BASE:
        start = str(builtin_weights("renderer"))
    return fetch_file(start, cache=cache, where="spec.start_from")
