"""Where the weights of a run go: the job's output and, for a subject's renderer, its package."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from farm.destinations import check_destination, write_whole
from farm.training.request import TrainingPlan
from farm.translation import translated
from infra.delivery import check_bucket, deliver
from infra.storage import ObjectStore
from jobs.identity import sha256_of_bytes
from jobs.locations import is_s3
from stages.errors import SubjectError
from stages.subject.package import SubjectPackage

_NO_RENDERER: Final = ("subject.no-renderer", "subject.weights-not-found")


def check_places(plan: TrainingPlan) -> None:
    """Prove before an hour of work that its result can be written.

    Raises:
        OutputUnwritable: The place of the weights may not be written.
        CastingError: The subject package is no package, or names no consent.
    """
    if is_s3(plan.output):
        check_bucket(plan.output)
    else:
        check_destination(Path(plan.output), where="spec.output.uri")
    if plan.subject is not None:
        with translated("spec.subject"):
            _check_package(plan.subject)


def deliver_weights(plan: TrainingPlan, *, store: ObjectStore, key: str) -> str:
    """Hand over weights that the store holds; what an earlier run wrote to the same place is replaced.

    Args:
        plan: The job.
        store: Where they are.
        key: Under which key.

    Returns:
        The weights' SHA-256.

    Raises:
        OutputError: The store lost them, or a place cannot be written.
        CastingError: The subject package does not take them.
    """
    data = store.get(key)
    with store.local_copy(key) as weights:
        if is_s3(plan.output):
            deliver(weights, plan.output, content_type="application/octet-stream")
        else:
            write_whole(Path(plan.output), data, where="spec.output.uri")
        if plan.subject is not None:
            with translated("spec.subject"):
                SubjectPackage.add_renderer(plan.subject, weights=weights)
    return sha256_of_bytes(data)


def _check_package(folder: Path) -> None:
    try:
        SubjectPackage.load(folder)
    except SubjectError as error:
        # Its renderer is what is about to be trained; by then the package and its consent have been read.
        if error.code not in _NO_RENDERER:
            raise
