"""Where the weights of a run go: the job's output and, for a subject's renderer, its package."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Final

from farm.destinations import check_destination
from farm.outputs import OutputFiles
from farm.training.train_plan import TrainingPlan
from farm.translation import translated
from infra.delivery import check_bucket
from infra.storage import ObjectStore
from jobs.identity import sha256_of_file
from jobs.locations import is_s3
from jobs.train_spec import weights_manifest
from stages.errors import SubjectError
from stages.subject.package import RENDERER_FILE, SubjectPackage

_NO_RENDERER: Final = ("subject_no_renderer", "subject_weights_not_found")


def check_outputs(plan: TrainingPlan) -> None:
    """Prove before an hour of work that its result can be written.

    Raises:
        OutputRefused: A file that the farm did not write is there.
        OutputUnwritable: The place of the weights may not be written.
        CastingError: The subject package is no package, or names no consent.
    """
    if is_s3(plan.output):
        check_bucket(plan.output)
    else:
        for place in (plan.output, weights_manifest(plan.output)):
            check_destination(Path(place), where="spec.output.uri")
    _weights_files(plan).check([_name_of(plan.output)])
    if plan.subject is not None:
        with translated("spec.subject"):
            _check_package(plan.subject)
        check_destination(plan.subject / weights_manifest(RENDERER_FILE), where="spec.subject")
        _package_files(plan, plan.subject).check([RENDERER_FILE])


def deliver_weights(plan: TrainingPlan, *, store: ObjectStore, key: str) -> str:
    """Hand over weights that the store holds; what an earlier run wrote to the same place is replaced.

    Args:
        plan: The job.
        store: Where they are.
        key: Under which key.

    Returns:
        The weights' SHA-256.

    Raises:
        OutputRefused: A file that the farm did not write is there by now.
        OutputError: The store lost them, or a place cannot be written.
        CastingError: The subject package does not take them.
    """
    with store.local_copy(key) as weights:
        with _weights_files(plan).writing() as folder:
            shutil.copyfile(weights, folder / _name_of(plan.output))
        if plan.subject is not None:
            with _package_files(plan, plan.subject).writing() as folder:
                shutil.copyfile(weights, folder / RENDERER_FILE)
            with translated("spec.subject"):
                SubjectPackage.name_renderer(plan.subject)
        return sha256_of_file(weights)


def _weights_files(plan: TrainingPlan) -> OutputFiles:
    home, _, name = plan.output.rpartition("/")
    return _files(plan, home=home or "/", name=name, field="spec.output.uri")


def _package_files(plan: TrainingPlan, subject: Path) -> OutputFiles:
    return _files(plan, home=str(subject), name=RENDERER_FILE, field="spec.subject")


def _files(plan: TrainingPlan, *, home: str, name: str, field: str) -> OutputFiles:
    return OutputFiles(
        home=home,
        manifest=weights_manifest(name),
        field=field,
        by="train",
        of=f"{plan.project}/{plan.name}",
        overwrite=plan.overwrite,
    )


def _name_of(location: str) -> str:
    return location.rpartition("/")[2]


def _check_package(folder: Path) -> None:
    try:
        SubjectPackage.load(folder)
    except SubjectError as error:
        # Its renderer is what is about to be trained; by then the package and its consent have been read.
        if error.code not in _NO_RENDERER:
            raise
