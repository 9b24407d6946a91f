"""The kinds of job that a shared farm takes, and one of any of them from text or a file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final, Protocol

from jobs.kinds import EVALUATE_JOB, PREPARE_JOB, RENDER_JOB, TRAIN_JOB
from jobs.parse import (
    LoadedEvaluation,
    LoadedJob,
    LoadedTraining,
    parse_evaluation,
    parse_job,
    parse_training,
)
from jobs.places import JobPlaces, Place
from jobs.prepare_job import LoadedPreparation, parse_preparation
from jobs.reading import read_document, read_file

WholeJob = LoadedPreparation | LoadedTraining | LoadedEvaluation
"""A job that is done in one piece by one replica: it is planned into no windows and no segments."""

QueuedJob = LoadedJob | WholeJob

QUEUED_KINDS: Final = (RENDER_JOB.name, PREPARE_JOB.name, TRAIN_JOB.name, EVALUATE_JOB.name)


class _Parse(Protocol):
    def __call__(self, text: str, *, folder: Path, where: str, json_only: bool) -> QueuedJob: ...


_PARSE: Final[Mapping[str, _Parse]] = {
    RENDER_JOB.name: parse_job,
    PREPARE_JOB.name: parse_preparation,
    TRAIN_JOB.name: parse_training,
    EVALUATE_JOB.name: parse_evaluation,
}


def load_queued(path: Path, *, overwrite: bool = False) -> QueuedJob:
    """Read a job of any kind that a shared farm takes from a YAML or JSON file.

    Args:
        path: The file.
        overwrite: Whether files that the farm did not write may be replaced.

    Raises:
        SpecError: The file cannot be read, or the job in it has mistakes.
    """
    text, folder, json_only = read_file(path, RENDER_JOB)
    loaded = parse_queued(text, folder=folder, where=str(path), json_only=json_only)
    return replace(loaded, file=path, overwrite=overwrite)


def parse_queued(text: str, *, folder: Path, where: str = "", json_only: bool = False) -> QueuedJob:
    """Read a job of any kind that a shared farm takes from YAML or JSON text.

    Args:
        text: One document.
        folder: Absolute folder that relative paths in the job start from.
        where: What to call the text in errors.
        json_only: Whether YAML is out of the question, so that messages speak of JSON.

    Raises:
        SpecError: With every mistake that was found; what says no such kind is held against a render job.
    """
    document = read_document(text, json_only=json_only, where=where).value
    kind = document.get("kind") if isinstance(document, dict) else None
    parse = _PARSE.get(kind, parse_job) if isinstance(kind, str) else parse_job
    return parse(text, folder=folder, where=where, json_only=json_only)


def spelled_places(loaded: QueuedJob, *, name: str) -> JobPlaces:
    """What a job reads and writes as far as its words tell: no disk is asked, and no pattern is followed.

    Args:
        loaded: The job.
        name: What to call it beside others.
    """
    if isinstance(loaded, LoadedJob):
        return loaded.places(name=name)
    if isinstance(loaded, LoadedPreparation):
        return loaded.preparing.places(name=name)
    return JobPlaces(job=name, reads=(), writes=loaded.outputs())


def found_places(loaded: QueuedJob, *, name: str) -> JobPlaces:
    """All that a job reads and writes, by what lies on the disk now.

    Args:
        loaded: The job.
        name: What to call it beside others.

    Raises:
        FarmError: What it reads is not there.
    """
    if isinstance(loaded, LoadedTraining):
        weights, subject = loaded.places(), loaded.places_in_subject()
        # What is written into a clip that the run learns from is no input of its own.
        reads = subject.reads if loaded.subject is not None else weights.reads
        return JobPlaces(job=name, reads=reads, writes=(*weights.writes, *subject.writes))
    if isinstance(loaded, LoadedEvaluation):
        return replace(loaded.places(loaded.find_pairs()), job=name)
    return spelled_places(loaded, name=name)


def outputs_of(loaded: QueuedJob) -> tuple[Place, ...]:
    """What a job writes, as far as its words tell."""
    return spelled_places(loaded, name="").writes
