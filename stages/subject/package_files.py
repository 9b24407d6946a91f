"""The files of a subject package, read as what they are: somebody else's.

None is read that is larger than such a file can be, or that lies elsewhere, and none may name what costs more to make
than the file itself. Legend: N points, H/W pixels, 3 = (x, y, z) or RGB, 7 = head vector.
"""

from __future__ import annotations

import hashlib
import io
import lzma
import struct
import tokenize
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
import yaml
from numpy.typing import NDArray

from stages.errors import SubjectError
from stages.files import is_plain_file
from stages.payloads import HEAD_CHANNELS, MESH_POINTS, TORSO_POINTS
from stages.subject.template import Template

_LARGEST_FACTS: Final = 100_000
_LARGEST_TEMPLATE: Final = 1_000_000
_LARGEST_REFERENCE: Final = 100_000_000
_LARGEST_FILE: Final = 2 << 30
_LARGEST_SIDE: Final = 8192
_DEEPEST: Final = 16
_LONGEST_HEADER: Final = 256

_FARTHEST: Final = 100_000.0
"""px from the corner of the 512 canvas: what lies beyond is no face, and its squares soon are no numbers."""

_SMALLEST_SCALE: Final = 0.01

_PNG_MARK: Final = b"\x89PNG\r\n\x1a\n"


def inside(folder: Path, name: str, *, root: Path | None = None) -> Path:
    """The path of a file that a package names, links followed.

    Args:
        folder: of the package.
        name: relative to it.
        root: the file must lie below this folder; the package's own where none is given.

    Raises:
        SubjectError: it lies elsewhere, or can lie nowhere (``subject_damaged``).
    """
    try:
        path = (folder / name).resolve()
        is_ours = path.is_relative_to((root or folder).resolve())
    except (OSError, RuntimeError, ValueError) as error:
        raise damaged(folder, f"no file can be called {name[:80]!r}") from error
    if not is_ours:
        raise damaged(folder, f"{name[:80]!r} points out of the package")
    return path


def read_facts(path: Path, *, fields: Sequence[str]) -> dict[str, Any]:
    """The facts of a package: every one of `fields` is there and is text, empty where nothing is given.

    Raises:
        SubjectError: they cannot be read, or one is missing or is no text (``subject_damaged``).
    """
    data = _bounded(path, largest=_LARGEST_FACTS)
    try:
        facts = yaml.load(data.decode(), Loader=_PlainLoader)  # noqa: S506 - a safe loader, and stricter
    except (yaml.YAMLError, *_UNREADABLE) as error:
        raise damaged(path, f"not YAML: {error}") from error
    if not isinstance(facts, dict):
        raise damaged(path, "not a mapping of fields")
    missing = [name for name in fields if name not in facts]
    if missing:
        raise damaged(path, f"fields missing: {', '.join(missing)}")
    given = {name: "" if facts[name] is None else facts[name] for name in fields}
    strays = [name for name, value in given.items() if not is_text(value)]
    if strays:
        raise damaged(path, f"must be text: {', '.join(strays)}")
    if not given["name"].strip():
        raise damaged(path, "the name is empty")
    return {**facts, **given}


def read_template(path: Path) -> Template:
    """The template of a package.

    Raises:
        SubjectError: it cannot be read, or does not hold the numbers of a face (``subject_damaged``).
    """
    shapes = {"mesh_N3": (MESH_POINTS, 3), "head_7": (HEAD_CHANNELS,), "torso_N3": (TORSO_POINTS, 3)}
    data = _bounded(path, largest=_LARGEST_TEMPLATE)
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            arrays = {name: _array(archive, name, shape) for name, shape in shapes.items()}
    except _UNREADABLE as error:
        raise damaged(path, f"no readable template: {error}") from error
    scale = arrays["head_7"][-1]
    if not _SMALLEST_SCALE <= scale <= 1 / _SMALLEST_SCALE:
        raise damaged(path, f"a head of the scale {scale} is none")
    return Template(**arrays)


_UNREADABLE: Final = (
    *(ArithmeticError, AttributeError, EOFError, LookupError, OSError, RuntimeError, TypeError, ValueError),
    *(lzma.LZMAError, struct.error, tokenize.TokenError, zipfile.BadZipFile, zlib.error),
)
"""What yaml, numpy, zipfile and the packings of an archive raise for damaged bytes."""


def _array(archive: zipfile.ZipFile, name: str, shape: tuple[int, ...]) -> NDArray[np.float32]:
    entry = archive.getinfo(f"{name}.npy")
    if entry.file_size > _LARGEST_TEMPLATE:
        raise ValueError(f"{name} is too large")
    # To the end, which is where the checksum is compared: numpy stops before it.
    file = io.BytesIO(archive.read(entry))
    stated, _, kind = _header(file)
    # Before anything is made of that shape, which the header may only claim.
    if stated != shape or kind.kind not in "fiu":
        raise ValueError(f"{name} must be {shape} numbers")
    file.seek(0)
    array = np.lib.format.read_array(file, allow_pickle=False)
    # A number beyond single precision is infinite from here on, and refused.
    with np.errstate(over="ignore"):
        numbers = np.asarray(array, dtype=np.float32)
    if not (np.isfinite(numbers).all() and np.abs(numbers).max(initial=0.0) <= _FARTHEST):
        raise ValueError(f"{name} must be finite numbers of at most {_FARTHEST:.0f}")
    return numbers


def _header(file: io.BytesIO) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    version = np.lib.format.read_magic(file)
    if version != (1, 0):
        raise ValueError(f"version {version} of the array format")
    # Of text that long, Python's own parser runs out of memory by nesting.
    return np.lib.format.read_array_header_1_0(file, max_header_size=_LONGEST_HEADER)


def read_reference(path: Path) -> NDArray[np.uint8]:
    """The reference image (H, W, 3) of a package, RGB and square.

    Raises:
        SubjectError: it is no square picture in PNG, or a damaged one (``subject_damaged``).
    """
    data = _bounded(path, largest=_LARGEST_REFERENCE)
    if not _is_whole_png(data):
        raise damaged(path, "no whole PNG")
    width, height = (int.from_bytes(data[start : start + 4], "big") for start in (16, 20))
    # From the header, before there is room made for the picture.
    if width != height or not 1 <= width <= _LARGEST_SIDE:
        raise damaged(path, f"no square picture of at most {_LARGEST_SIDE} px")
    try:
        image = cv2.imdecode(np.frombuffer(data, dtype=np.uint8), cv2.IMREAD_COLOR)
    except cv2.error as error:
        raise damaged(path, f"no readable picture: {error}") from error
    if image is None or image.shape != (height, width, 3):
        raise damaged(path, "no readable picture")
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), dtype=np.uint8)


def _is_whole_png(data: bytes) -> bool:
    """Whether every part is there and has its checksum; OpenCV makes a picture of half a file too."""
    start, kind = len(_PNG_MARK), b"IHDR"
    if not data.startswith(_PNG_MARK) or data[start + 4 : start + 8] != kind:
        return False
    while kind != b"IEND":
        # Length, kind, content, checksum over the two in the middle.
        end = start + 8 + int.from_bytes(data[start : start + 4], "big")
        kind = data[start + 4 : start + 8]
        if end + 4 > len(data) or zlib.crc32(data[start + 4 : end]) != int.from_bytes(
            data[end : end + 4], "big"
        ):
            return False
        start = end + 4
    return True


def digest_of(path: Path) -> bytes:
    """SHA-256 of a file that is not kept in memory.

    Raises:
        SubjectError: it cannot be read, or is larger than weights are (``subject_damaged``).
    """
    try:
        # A file of holes is as large as one likes and takes no room.
        if path.stat().st_size > _LARGEST_FILE:
            raise damaged(path, f"the file is larger than {_LARGEST_FILE} bytes")
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").digest()
    except OSError as error:
        raise damaged(path, f"the file cannot be read: {error.strerror}") from error


class _PlainLoader(yaml.SafeLoader):
    """The safe loader without aliases, by which a small text stands for a huge one, and of bounded depth."""

    depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        event = self.peek_event()
        if isinstance(event, yaml.AliasEvent) or self.depth > _DEEPEST:
            problem = "aliases are not read here" if isinstance(event, yaml.AliasEvent) else "nested too deep"
            raise yaml.MarkedYAMLError(problem=problem, problem_mark=event.start_mark)
        self.depth += 1
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node


def is_text(value: object) -> bool:
    """Whether a value is text that every file and library can take."""
    # Lone surrogates cannot be written as UTF-8, and a zero ends a text in other libraries.
    return isinstance(value, str) and not any(each == "\0" or "\ud800" <= each <= "\udfff" for each in value)


def _bounded(path: Path, *, largest: int) -> bytes:
    """The bytes of a file that has a largest size."""
    if not is_plain_file(path):
        raise damaged(path, "the file is missing")
    try:
        with path.open("rb") as file:
            data = file.read(largest + 1)
    except OSError as error:
        raise damaged(path, f"the file cannot be read: {error.strerror}") from error
    if len(data) > largest:
        raise damaged(path, f"the file is larger than {largest} bytes")
    return data


def damaged(path: Path, what: str) -> SubjectError:
    """The error for a package of which a file is not what it should be."""
    return SubjectError(
        code="subject_damaged",
        where=str(path),
        what=what,
        hint="make the package again in an empty folder, or restore it from a copy",
    )
