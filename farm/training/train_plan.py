"""From a train job to what the stages are asked to train: words become files, and nothing is left to resolve.

Also what makes two runs the same run: the same job by name, and everything that decides its weights. So a job that is
started again goes on from its checkpoints, and one that was edited, or whose clips or code changed, starts a run of its
own. The number of workers, the threads and the places of things are left out: they may change on the way. The weights
of a run are the same bits wherever those stay the same too, on one kind of processor.
"""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from farm.engine import engine_identity
from farm.training.loop import Cadence
from infra.fetch import fetch_file
from jobs.errors import InputNotFound
from jobs.identity import sha256_of_file, sha256_of_record
from jobs.parse import LoadedTraining
from jobs.train_spec import BASE
from stages.builtin import builtin_weights
from stages.training.build import TrainingRequest

_DATA: Final = frozenset({"clip.json", "tracks.npz", "frames.mp4", "template.npz"})
"""Files of a prepared clip that training learns from. Beside them lie reports, features kept for the next run, and a
renderer that an earlier run delivered: none of them makes another run."""

_PLACES: Final = ("clips", "held_out", "start_from")
_LENGTH: Final = 12


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
        renderer=spec.renderer,
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


def run_id(plan: TrainingPlan) -> str:
    """Twelve hexadecimal digits that name a run among those of its job.

    Raises:
        InputNotFound: A clip or the weights to start from cannot be read.
    """
    request = plan.request
    values = {name: value for name, value in asdict(request).items() if name not in _PLACES}
    record = {
        "request": values,
        # The best weights are the best of those that were looked at.
        "validate": plan.cadence.validate,
        "clips": [_folder_sha256(folder) for folder in request.clips],
        "held_out": [_folder_sha256(folder) for folder in request.held_out],
        "start_from": None if request.start_from is None else _file_sha256(request.start_from),
        "engine": engine_identity(),
    }
    return sha256_of_record(record)[:_LENGTH]


def run_prefix(plan: TrainingPlan, *, run: str) -> str:
    """Start of a run's keys in the store, such as ``training/demo/jane/3f9c2a7b51d0``."""
    return f"training/{plan.project}/{plan.name}/{run}"


def _start_from(start: str | None, *, cache: Path) -> Path | None:
    if start is None:
        return None
    if start == BASE:
        start = str(builtin_weights("renderer"))
    return fetch_file(start, cache=cache, where="spec.start_from")


def _folder_sha256(folder: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.name in _DATA and path.is_file():
            digest.update(f"{path.relative_to(folder).as_posix()}\n{_file_sha256(path)}\n".encode())
    return digest.hexdigest()


def _file_sha256(path: Path) -> str:
    try:
        return sha256_of_file(path)
    except OSError as error:
        reason = (error.strerror or type(error).__name__).lower()
        raise InputNotFound(
            f"'{path}' cannot be read: {reason}",
            where="spec.clips",
            hint="check that the clips are complete and may be read",
        ) from error
