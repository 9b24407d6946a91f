"""Writes a replay bundle: whole or not at all."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from pydantic import ValidationError
from safetensors.numpy import save

from farm.backgrounds import check_unchanged
from farm.execution.calls import ReplicaSetup, SegmentCall
from farm.execution.pools.messages import Task
from farm.replay.bundle import (
    BACKGROUND_NAME,
    FACE_NAME,
    MOST_TRIES,
    RECORD_NAME,
    SUBJECTS_NAME,
    BundleRecord,
    Failure,
    FileRecord,
    TryRecord,
)
from farm.translation import translated
from jobs.background_spec import is_colour
from jobs.errors import DiskFull, OutputUnwritable
from jobs.identity import sha256_of_file
from jobs.spec import Profile
from stages.whole_files import beside


def write_bundle(
    folder: Path,
    *,
    task: Task,
    failure: Failure,
    tries: Sequence[TryRecord] = (),
    engine_version: str,
    device_kind: str,
) -> Path:
    """Write all that is needed to render a segment again.

    Args:
        folder: Becomes the bundle; one that is there is replaced.
        task: The segment's, its call a `SegmentCall`.
        failure: Why it was given up.
        tries: What came of each of its tries.
        engine_version: As in the plan, see `farm.engine.engine_identity`.
        device_kind: Of the replicas.

    Returns:
        The folder.

    Raises:
        SubjectRefused: The subject package is no longer what it was.
        DiskFull, OutputUnwritable: It cannot be written; nothing of it is left.
        ValueError: The task is none of a segment.
    """
    try:
        with beside(folder) as partial:
            partial.mkdir(parents=True)
            record = _fill(
                partial,
                task=task,
                failure=failure,
                tries=tries,
                engine_version=engine_version,
                device_kind=device_kind,
            )
            (partial / RECORD_NAME).write_text(record.model_dump_json(indent=2) + "\n", encoding="utf-8")
            if folder.exists():
                shutil.rmtree(folder)
            partial.rename(folder)
    except OSError as error:
        raise DiskFull.or_unwritable(
            error, where=str(folder), hint="make room, or point the farm to another folder"
        ) from error
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        field = ".".join(str(part) for part in first["loc"])
        raise OutputUnwritable(
            f"a bundle cannot hold this segment: {field}: {first['msg']}",
            where=str(folder),
            hint="give the subject's folder and its files plain names",
        ) from error
    return folder


def _fill(
    partial: Path,
    *,
    task: Task,
    failure: Failure,
    tries: Sequence[TryRecord],
    engine_version: str,
    device_kind: str,
) -> BundleRecord:
    """Write everything but the record, which is returned."""
    if not isinstance(task.call, SegmentCall):
        raise ValueError("only segments are replayed")
    face = task.call.face
    arrays = {"mesh_TN3": face.mesh_TN3, "torso_TN3": face.torso_TN3}
    # Stored as they lie in memory. NaN stays NaN, for it may be what went wrong.
    (partial / FACE_NAME).write_bytes(
        save({name: np.ascontiguousarray(each) for name, each in arrays.items()})
    )
    subject = _copy_subject(task.setup.subject, partial)
    weights = {name: sha256_of_file(path) for name, path in task.setup.weights.by_name().items()}
    return BundleRecord(
        engine_version=engine_version,
        device_kind=device_kind,
        job=task.job,
        take=task.unit.take,
        index=task.call.index,
        first_frame=task.call.first_frame,
        frame_count=task.call.frame_count,
        lead=task.call.lead,
        face_frames=face.frame_count,
        key=task.call.key,
        inspection_key=task.call.inspection_key,
        profile=Profile(task.setup.profile),
        fps=str(task.setup.fps),
        inspection=task.setup.inspection,
        form=task.setup.form,
        draft=task.setup.draft,
        background=_copy_background(task.setup, partial),
        subject=subject,
        weights_sha256=weights,
        failure=failure,
        tries=list(tries)[-MOST_TRIES:],
        files=_files(partial),
    )


def _copy_subject(package: Path, bundle: Path) -> str:
    """Copy a package, and the weights that lie beside it; returns its folder, relative to the bundle."""
    # Imported here: the coordinator needs no OpenCV unless a segment is given up.
    from stages.subject.contents import package_contents

    home = bundle / SUBJECTS_NAME
    (home / package.name).mkdir(parents=True)
    with translated(str(package)):
        contents = package_contents(package)
    for name, path in contents.items():
        target = home / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
    return f"{SUBJECTS_NAME}/{package.name}"


def _copy_background(setup: ReplicaSetup, bundle: Path) -> str:
    """What the bundle says of it; a picture is copied.

    Raises InputChanged: it is gone, or another one: a replay before it would show what the segment did not.
    """
    if not setup.background or is_colour(setup.background):
        return setup.background
    check_unchanged(setup.background, sha256=setup.background_identity)
    shutil.copyfile(setup.background, bundle / BACKGROUND_NAME)
    return BACKGROUND_NAME


def _files(bundle: Path) -> list[FileRecord]:
    return [
        FileRecord(
            path=path.relative_to(bundle).as_posix(),
            sha256=sha256_of_file(path),
            size_bytes=path.stat().st_size,
        )
        for path in sorted(bundle.rglob("*"))
        if path.is_file()
    ]
