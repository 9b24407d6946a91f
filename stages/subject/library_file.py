"""The reference library as a file of a subject package, read as what it is: somebody else's.

Legend: R references, S side of a picture (512 px), M side of a mask (256 px), P control points, K numbers of a key,
3 = RGB.

A safetensors file. Its pictures are two streams of `stages.subject.picture_stream`: the plate and all references, and
the masks of the references, each with the sizes of its packets.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from stages.errors import SubjectError
from stages.files import check_types, is_plain_file
from stages.geometry.canonical import CANVAS
from stages.subject.package_files import damaged
from stages.subject.picture_stream import COLOUR, GREY, Kind, decode_pictures, encode_pictures
from stages.subject.template import Template
from stages.warp.keys import EYES_KEY_SIZE, HEAD_KEY_SIZE, MOUTH_KEY_SIZE
from stages.warp.library import ReferenceLibrary
from stages.warp.plate import BackgroundPlate, Picture, is_still
from stages.whole_files import written_whole

LIBRARY_FILE: Final = "references.safetensors"
"""Name of the reference library in a package."""

SCHEMA: Final = "farm.references/v2"
"""Version of the file's form. In the first one, which no release wrote, references had no heads."""

MASK_SIZE: Final = 256
"""Side of a stored mask: half that of a picture, as fine as the segmenter sees."""

LARGEST_LIBRARY: Final = 3_400_000
"""Bytes of the file: with reference image and weights of 4 MB a package stays below 8 MB."""

MOST_REFERENCES: Final = 256
_MOST_POINTS: Final = 1024
_HEADER: Final = "header"
_FARTHEST_PX: Final = 100_000.0
"""As in templates: what lies beyond is no face."""

_MASK_QUANTISER: Final = 12
_PICTURE_QUANTISERS: Final = (8, 10, 12, 14, 17, 20, 24, 28)
"""The first one whose file is small enough is taken. At 8 pictures keep 99 % of their sharpness."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredReferences:
    """A library as it is stored.

    Attributes:
        plate: the background.
        pictures_RSS3: references as they were filmed; where a mask is empty nothing depends on them.
        masks_RMM: how much of each pixel is the person's.
        frames_R: which frame of the prepared clip each is; a network that repairs may not learn a frame from itself.
        points_RP2: control points in each, px on the 512 canvas.
        heads_RK, mouths_RK, eyes_RK: keys of `stages.warp.keys`.
    """

    plate: BackgroundPlate
    pictures_RSS3: Picture
    masks_RMM: Picture
    frames_R: NDArray[np.int32]
    points_RP2: NDArray[np.float32]
    heads_RK: NDArray[np.float32]
    mouths_RK: NDArray[np.float32]
    eyes_RK: NDArray[np.float32]

    def opened(self) -> ReferenceLibrary:
        """The library to draw from."""
        side = self.pictures_RSS3.shape[1]
        masks = [
            cv2.resize(mask_MM, (side, side), interpolation=cv2.INTER_LINEAR) for mask_MM in self.masks_RMM
        ]
        return ReferenceLibrary.of(
            plate=self.plate,
            pictures_RSS3=self.pictures_RSS3,
            masks_RSS=np.stack(masks),
            points_RP2=self.points_RP2,
            heads_RK=self.heads_RK,
            mouths_RK=self.mouths_RK,
            eyes_RK=self.eyes_RK,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _LibraryHeader:
    """What the file says of itself: see `BackgroundPlate`; and what its streams and the subject's template hash to."""

    schema: str
    unseen: float
    restless: float
    streams_sha256: str
    template_sha256: str


def write_library(path: Path, references: StoredReferences, *, template: Template) -> None:
    """Write a library, whole or not at all, as fine as `LARGEST_LIBRARY` allows.

    Raises:
        SubjectError: its pictures are too restless to be stored in that room (``clip_too_noisy``).
    """
    masks = list(encode_pictures(references.masks_RMM, size=MASK_SIZE, kind=GREY, quantiser=_MASK_QUANTISER))
    for quantiser in _PICTURE_QUANTISERS:
        pictures = _fitting(
            encode_pictures(
                [references.plate.picture_SS3, *references.pictures_RSS3],
                size=CANVAS,
                kind=COLOUR,
                quantiser=quantiser,
            )
        )
        if pictures is None:
            continue
        tensors = {
            **_packed("pictures", pictures),
            **_packed("masks", masks),
            "frames": references.frames_R,
            "points": references.points_RP2,
            "heads": references.heads_RK,
            "mouths": references.mouths_RK,
            "eyes": references.eyes_RK,
        }
        header = _LibraryHeader(
            schema=SCHEMA,
            unseen=references.plate.unseen,
            restless=references.plate.restless,
            streams_sha256=_digest(tensors["pictures"], tensors["masks"]),
            template_sha256=template_digest(template),
        )
        data = save(tensors, metadata={_HEADER: json.dumps(asdict(header), sort_keys=True)})
        if len(data) <= LARGEST_LIBRARY:
            path.parent.mkdir(parents=True, exist_ok=True)
            with written_whole(path) as partial:
                partial.write_bytes(data)
            return
    raise SubjectError(
        code="clip_too_noisy",
        where=str(path),
        what=f"the references do not fit into {LARGEST_LIBRARY} bytes, however coarse they are stored",
        hint="prepare the subject from a clip with less noise",
    )


def _fitting(packets: Iterable[bytes]) -> list[bytes] | None:
    """The packets, or None as soon as they alone are larger than the file may be."""
    kept, size = list[bytes](), 0
    for packet in packets:
        kept.append(packet)
        size += len(packet)
        if size > LARGEST_LIBRARY:
            return None
    return kept


def read_library(path: Path, *, template: Template) -> StoredReferences:
    """Read and check a library.

    Args:
        path: the file, which may be anybody's.
        template: of the subject that it should belong to.

    Raises:
        SubjectError: it is missing, damaged or no library (``subject_damaged``), of another version
            (``subject_version``) or of another subject (``library_mismatch``).
    """
    header, tensors = _checked(path, template=template)
    try:
        return _decoded(header, tensors)
    except _UNREADABLE as error:
        raise _unreadable(path, error) from error


def has_still_background(path: Path, *, template: Template) -> bool:
    """Whether a library's references were cut out; before a background that moves they are not. Raises as above."""
    return is_still(_checked(path, template=template)[0].restless)


def check_library(path: Path, *, template: Template) -> None:
    """Everything that `read_library` checks but the coding of its pictures, which takes far longer. Raises the same."""
    _checked(path, template=template)


def _checked(path: Path, *, template: Template) -> tuple[_LibraryHeader, dict[str, NDArray[Any]]]:
    if not is_plain_file(path):
        raise damaged(path, "the file is missing")
    if path.stat().st_size > LARGEST_LIBRARY:
        raise damaged(path, f"the file is larger than {LARGEST_LIBRARY} bytes")
    try:
        # Nothing is made that is larger than the file: its tensors are the file.
        with safe_open(path, framework="numpy") as file:
            header = _header(file.metadata() or {}, path=path)
            tensors = {name: _tensor(file, name) for name in sorted(_TENSORS)}
        _check_sizes(tensors)
        if header.streams_sha256 != _digest(tensors["pictures"], tensors["masks"]):
            raise ValueError("its pictures are not those that were written")
    except _UNREADABLE as error:
        raise _unreadable(path, error) from error
    _check_template(header, template, path=path)
    return header, tensors


def _unreadable(path: Path, error: Exception) -> SubjectError:
    return damaged(path, f"no readable library of references: {error}")


def template_digest(template: Template) -> str:
    """Of the template that control points and keys were computed with."""
    return _digest(template.mesh_N3, template.head_7, template.torso_N3)


_TENSORS: Final[Mapping[str, tuple[str, tuple[int | None, ...]]]] = {
    "pictures": ("U8", (None,)),
    "picture_sizes": ("I32", (None,)),
    "masks": ("U8", (None,)),
    "mask_sizes": ("I32", (None,)),
    "frames": ("I32", (None,)),
    "points": ("F32", (None, None, 2)),
    "heads": ("F32", (None, HEAD_KEY_SIZE)),
    "mouths": ("F32", (None, MOUTH_KEY_SIZE)),
    "eyes": ("F32", (None, EYES_KEY_SIZE)),
}
"""Kind of number and shape; None where the library decides."""

_UNREADABLE: Final = (
    *(ArithmeticError, AttributeError, LookupError, OSError, RecursionError, RuntimeError),
    *(SafetensorError, TypeError, ValueError),
)
"""What safetensors, json and the decoder raise for damaged bytes."""


def _packed(name: str, packets: Sequence[bytes]) -> dict[str, NDArray[Any]]:
    sizes = np.array([len(packet) for packet in packets], dtype=np.int32)
    singular = name.removesuffix("s")
    return {name: np.frombuffer(b"".join(packets), dtype=np.uint8), f"{singular}_sizes": sizes}


def _digest(*arrays: NDArray[Any]) -> str:
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def _header(metadata: Mapping[str, str], *, path: Path) -> _LibraryHeader:
    raw = json.loads(metadata[_HEADER])
    if isinstance(raw, dict) and raw.get("schema") != SCHEMA:
        raise SubjectError(
            code="subject_version",
            where=str(path),
            what=f"the references are of version {str(raw.get('schema'))[:40]!r}, and this farm reads {SCHEMA!r}",
            hint="prepare the subject again, or use the version of the farm that wrote it",
        )
    header = _LibraryHeader(**raw)
    check_types(header)
    if not all(0.0 <= share <= 1.0 for share in (header.unseen, header.restless)):
        raise ValueError("a share lies between 0 and 1")
    return header


def _tensor(file: Any, name: str) -> NDArray[Any]:
    stored = file.get_slice(name)
    kind, shape = _TENSORS[name]
    stated = tuple(stored.get_shape())
    fits = len(stated) == len(shape) and all(
        wanted in (None, found) for wanted, found in zip(shape, stated, strict=True)
    )
    if stored.get_dtype() != kind or not fits:
        raise ValueError(f"{name} is {stored.get_dtype()}{list(stated)}")
    tensor: NDArray[Any] = file.get_tensor(name)
    return tensor


def _check_sizes(tensors: Mapping[str, NDArray[Any]]) -> None:
    """Raises ValueError where the tensors do not fit each other, or hold what is no place in a picture."""
    count, points = tensors["points"].shape[:2]
    if not (1 <= count <= MOST_REFERENCES and 1 <= points <= _MOST_POINTS):
        raise ValueError(f"{count} references with {points} points")
    for name, wanted in (
        ("frames", count),
        ("heads", count),
        ("mouths", count),
        ("eyes", count),
        ("mask_sizes", count),
        ("picture_sizes", count + 1),
    ):
        if len(tensors[name]) != wanted:
            raise ValueError(f"{len(tensors[name])} {name} to {count} references")
    for name in ("points", "heads", "mouths", "eyes"):
        if not (np.abs(tensors[name]) <= _FARTHEST_PX).all():
            raise ValueError(f"{name} must be finite numbers of at most {_FARTHEST_PX:.0f}")
    for name in ("picture", "mask"):
        sizes = tensors[f"{name}_sizes"].astype(np.int64)
        if (sizes < 1).any() or sizes.sum() != len(tensors[f"{name}s"]):
            raise ValueError(f"the {name}s are not cut as they say")


def _check_template(header: _LibraryHeader, template: Template, *, path: Path) -> None:
    if header.template_sha256 != template_digest(template):
        raise SubjectError(
            code="library_mismatch",
            where=str(path),
            what="the references belong to another subject, or to another preparation of this one",
            hint="put the package's own file back, or prepare the subject again, into an empty folder",
        )


def _decoded(header: _LibraryHeader, tensors: Mapping[str, NDArray[Any]]) -> StoredReferences:
    pictures = _unpacked(tensors["pictures"], tensors["picture_sizes"], size=CANVAS, kind=COLOUR)
    return StoredReferences(
        plate=BackgroundPlate(picture_SS3=pictures[0], unseen=header.unseen, restless=header.restless),
        pictures_RSS3=pictures[1:],
        masks_RMM=_unpacked(tensors["masks"], tensors["mask_sizes"], size=MASK_SIZE, kind=GREY),
        frames_R=tensors["frames"],
        points_RP2=tensors["points"],
        heads_RK=tensors["heads"],
        mouths_RK=tensors["mouths"],
        eyes_RK=tensors["eyes"],
    )


def _unpacked(stream: NDArray[np.uint8], sizes: NDArray[np.int32], *, size: int, kind: Kind) -> Picture:
    data, stops = stream.tobytes(), np.cumsum(sizes.astype(np.int64)).tolist()
    packets = [data[start:stop] for start, stop in zip([0, *stops[:-1]], stops, strict=True)]
    return decode_pictures(packets, size=size, kind=kind)
