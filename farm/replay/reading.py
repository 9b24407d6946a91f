"""Reads a replay bundle that may come from anywhere: every file is listed, has its hash, and lies inside."""

from __future__ import annotations

import json
import math
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
from pydantic import ValidationError
from safetensors import SafetensorError
from safetensors.numpy import load

from farm.crashes import text_of
from farm.execution.calls import ReplicaSetup, SegmentCall
from farm.execution.pools.messages import Task
from farm.execution.stages import SharedWeights
from farm.replay.bundle import (
    BACKGROUND_NAME,
    FACE_NAME,
    MOST_FILES,
    RECORD_NAME,
    SCHEMA,
    BundleRecord,
    FileRecord,
)
from farm.scheduling.units import Stage, Unit
from jobs.errors import BundleUnusable
from jobs.identity import sha256_of_file
from stages.payloads import MESH_POINTS, TORSO_POINTS, PosedFace

_LARGEST_RECORD = 1_000_000
_LARGEST_HEADER = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayBundle:
    """A bundle that was read and checked.

    Attributes:
        folder: Where it lies.
        record: What it says.
        face: The posed face of its segment and of the segment's context.
    """

    folder: Path
    record: BundleRecord
    face: PosedFace

    def task(self, *, weights: SharedWeights, store: str) -> Task:
        """The work of the bundle.

        Args:
            weights: The shared weights of this machine; a segment is drawn without them.
            store: Address of the store that takes the segment in place of the farm's.
        """
        record, hashes = self.record, {file.path: file.sha256 for file in self.record.files}
        background = record.background
        if background == BACKGROUND_NAME:
            background = str(self.folder / BACKGROUND_NAME)
        return Task(
            key=f"{record.job}/{record.take}/{record.index}",
            job=record.job,
            unit=Unit(record.take, record.index, Stage.RENDER),
            setup=ReplicaSetup(
                weights=weights,
                subject=self.folder / record.subject,
                store=store,
                profile=record.profile.value,
                fps=Fraction(record.fps),
                inspection=record.inspection,
                form=record.form,
                draft=record.draft,
                background=background,
                background_identity=hashes.get(BACKGROUND_NAME, background),
            ),
            call=SegmentCall(
                face=self.face,
                lead=record.lead,
                index=record.index,
                first_frame=record.first_frame,
                frame_count=record.frame_count,
                key=record.key,
                inspection_key=record.inspection_key,
            ),
        )


def read_bundle(folder: Path) -> ReplayBundle:
    """Read and check a bundle.

    Raises:
        BundleUnusable: There is none (``bundle_not_found``), it is of another version (``bundle_version``), or it is
            not as it was written (``bad_bundle``).
    """
    record = _read_record(folder)
    listed = {file.path: file for file in record.files}
    is_bare = record.background == BACKGROUND_NAME and BACKGROUND_NAME not in listed
    if len(listed) != len(record.files) or FACE_NAME not in listed or is_bare:
        raise _bad(folder, "its list of files is wrong")
    strays = _found(folder) - set(listed) - {RECORD_NAME}
    if strays:
        raise _bad(folder, f"it holds a file that it does not list: {min(strays)!r}")
    for file in record.files:
        _check_file(folder, file)
    face = _read_face(folder / FACE_NAME, frame_count=record.face_frames)
    return ReplayBundle(folder=folder.absolute(), record=record, face=face)


def _read_record(folder: Path) -> BundleRecord:
    path = folder / RECORD_NAME
    size = _plain_size(path)
    if size is None:
        raise BundleUnusable(
            f"is no replay bundle: there is no {RECORD_NAME} in it",
            where=str(folder),
            code="bundle_not_found",
            hint="name the folder of a bundle; farm status JOB lists those of a job",
        )
    if size > _LARGEST_RECORD:
        raise _bad(path, f"it is larger than {_LARGEST_RECORD} bytes")
    try:
        text = path.read_bytes().decode("utf-8")
        _check_version(text, path)
        return BundleRecord.model_validate_json(text)
    except OSError as error:
        raise _bad(path, f"it cannot be read: {(error.strerror or 'an error').lower()}") from error
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        field = ".".join(str(part) for part in first["loc"]) or "the document"
        raise _bad(path, f"{field[:100]}: {first['msg']}") from error
    except (ValueError, RecursionError) as error:
        raise _bad(path, "it is not JSON") from error


def _check_version(text: str, path: Path) -> None:
    document = json.loads(text)
    version = document.get("schema_version") if isinstance(document, dict) else None
    if isinstance(version, str) and version != SCHEMA:
        raise BundleUnusable(
            f"is of version {version[:40]!r}, and this farm reads {SCHEMA!r}",
            where=str(path),
            code="bundle_version",
            hint="replay it with the release that wrote it",
        )


def _read_face(path: Path, *, frame_count: int) -> PosedFace:
    """The face of a file that may hold anything; takes no more memory than that many frames need."""
    shapes = {"mesh_TN3": (frame_count, MESH_POINTS, 3), "torso_TN3": (frame_count, TORSO_POINTS, 3)}
    largest = sum(4 * math.prod(shape) for shape in shapes.values()) + _LARGEST_HEADER
    try:
        with path.open("rb") as file:
            data = file.read(largest + 1)
        if len(data) > largest:
            raise _bad(path, f"it is larger than a face of {frame_count} frames")
        arrays = load(data)
    except (SafetensorError, LookupError, OSError, TypeError, ValueError) as error:
        raise _bad(path, f"it cannot be read: {text_of(error)}") from error
    held = {name: (array.dtype, array.shape) for name, array in arrays.items()}
    if held != {name: (np.dtype(np.float32), shape) for name, shape in shapes.items()}:
        raise _bad(path, f"it does not hold {' and '.join(shapes)} of {frame_count} frames as float32")
    # What was read is read-only.
    return PosedFace(**{name: array.copy() for name, array in arrays.items()})


def _found(folder: Path) -> set[str]:
    """Paths of everything in the bundle that is no folder."""
    found: set[str] = set()
    for path in _below(folder):
        found.add(path.relative_to(folder).as_posix())
        if len(found) > MOST_FILES + 1:
            raise _bad(folder, f"it holds more than {MOST_FILES} files")
    return found


def _below(folder: Path) -> Iterator[Path]:
    try:
        for path in folder.iterdir():
            if path.is_dir() and not path.is_symlink():
                yield from _below(path)
            else:
                yield path
    except (OSError, RecursionError) as error:
        raise _bad(folder, "its folders cannot be read") from error


def _check_file(folder: Path, file: FileRecord) -> None:
    path = folder / file.path
    # Only below the bundle: where it lies itself, and by which links, is the reader's own affair.
    if any(_is_link(folder / part) for part in _parts_of(file.path)):
        raise _bad(path, "it is a link, or lies behind one")
    size = _plain_size(path)
    if size is None:
        raise _bad(path, "there is no such file")
    if size != file.size_bytes:
        raise _bad(path, f"it has {size} bytes, not {file.size_bytes}")
    try:
        is_same = sha256_of_file(path) == file.sha256
    except OSError as error:
        raise _bad(path, f"it cannot be read: {(error.strerror or 'an error').lower()}") from error
    if not is_same:
        raise _bad(path, "it was changed: its hash is another")


def _parts_of(path: str) -> list[str]:
    """The path and the folders above it, as in ``a``, ``a/b``, ``a/b/c``."""
    parts = path.split("/")
    return ["/".join(parts[: count + 1]) for count in range(len(parts))]


def _is_link(path: Path) -> bool:
    try:
        return path.is_symlink()
    except OSError:
        return False  # nothing can be called so


def _plain_size(path: Path) -> int | None:
    """Size of an ordinary file that is no link; None for anything else."""
    try:
        facts = path.lstat()
    except (OSError, ValueError):
        return None
    return facts.st_size if stat.S_ISREG(facts.st_mode) else None


def _bad(path: Path, what: str) -> BundleUnusable:
    return BundleUnusable(
        f"the bundle cannot be used: {what}", where=str(path), hint="copy the bundle again from the farm"
    )
