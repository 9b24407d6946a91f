"""The posed face of a segment as a file of plain numbers; NaN stays NaN, for it may be what went wrong."""

from __future__ import annotations

import io
import zipfile
import zlib
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from stages.payloads import MESH_POINTS, TORSO_POINTS, PosedFace

_POINTS: Final = {"mesh_TN3": MESH_POINTS, "torso_TN3": TORSO_POINTS}
_LONGEST_HEADER: Final = 256
_ROOM: Final = 4096
"""Bytes that an archive and its headers may take beside the numbers."""

UNREADABLE: Final = (EOFError, LookupError, OSError, RuntimeError, SyntaxError, ValueError, TypeError)
"""What numpy and zipfile raise for damaged bytes, beside their own errors."""


class FaceUnreadable(Exception):
    """The file does not hold the face that it should; the text says why."""


def write_face(face: PosedFace, path: Path) -> None:
    """Write the face; `OSError` where that fails."""
    with path.open("wb") as file:
        np.savez(file, mesh_TN3=face.mesh_TN3, torso_TN3=face.torso_TN3)


def read_face(path: Path, *, frame_count: int) -> PosedFace:
    """Read the face of a segment.

    Args:
        path: A file that may be anything.
        frame_count: Frames it must have; no more room than they take is ever made.

    Raises:
        FaceUnreadable: It holds something else.
    """
    wanted_bytes = sum(4 * 3 * points * frame_count for points in _POINTS.values())
    try:
        with path.open("rb") as file:
            data = file.read(wanted_bytes + _ROOM + 1)
        if len(data) > wanted_bytes + _ROOM:
            raise FaceUnreadable(f"it is larger than a face of {frame_count} frames")
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            if sorted(archive.namelist()) != sorted(f"{name}.npy" for name in _POINTS):
                raise FaceUnreadable(f"it must hold {' and '.join(_POINTS)}")
            mesh_TN3, torso_TN3 = (
                _array(archive, name, (frame_count, points, 3)) for name, points in _POINTS.items()
            )
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, *UNREADABLE) as error:
        raise FaceUnreadable(f"it cannot be read: {error}") from error
    return PosedFace(mesh_TN3=mesh_TN3, torso_TN3=torso_TN3)


def _array(archive: zipfile.ZipFile, name: str, shape: tuple[int, ...]) -> NDArray[np.float32]:
    entry = archive.getinfo(f"{name}.npy")
    # An archive may claim any size, and a few packed bytes may become many.
    if entry.file_size > 4 * int(np.prod(shape)) + _ROOM:
        raise FaceUnreadable(f"{name} is larger than {shape}")
    file = io.BytesIO(archive.read(entry))
    if np.lib.format.read_magic(file) != (1, 0):
        raise FaceUnreadable(f"{name} is of another version of the array format")
    stated, is_fortran, kind = np.lib.format.read_array_header_1_0(file, max_header_size=_LONGEST_HEADER)
    if stated != shape or is_fortran or kind != np.dtype("<f4"):
        raise FaceUnreadable(f"{name} is {kind}{stated}, not float32{shape}")
    numbers = np.frombuffer(file.read(), dtype="<f4")
    if numbers.size != np.prod(shape):
        raise FaceUnreadable(f"{name} ends early")
    return numbers.reshape(shape).astype(np.float32)
