"""What makes two training runs the same run: the same job by name, and everything that decides its weights.

So a job that is started again goes on from its checkpoints, and one that was edited, or whose clips or code changed,
starts a run of its own. The number of workers, the threads and the places of things are left out: they may change on
the way. The weights of a run are the same bits wherever those stay the same too, on one kind of processor.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Final

from farm.engine import engine_identity
from farm.training.request import TrainingPlan
from jobs.errors import InputNotFound
from jobs.identity import sha256_of_file, sha256_of_record

_DATA: Final = frozenset({"clip.json", "tracks.npz", "frames.mp4", "template.npz"})
"""Files of a prepared clip that training learns from. Beside them lie reports, features kept for the next run, and a
renderer that an earlier run delivered: none of them makes another run."""

_PLACES: Final = ("clips", "held_out", "start_from")
_LENGTH: Final = 12


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


def _folder_sha256(folder: Path) -> str:
    digest = hashlib.sha256()
    for path in _data_files(folder):
        digest.update(f"{path.relative_to(folder).as_posix()}\n{_file_sha256(path)}\n".encode())
    return digest.hexdigest()


def _data_files(folder: Path) -> Iterable[Path]:
    for path in sorted(folder.rglob("*")):
        if path.name in _DATA and path.is_file():
            yield path


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
