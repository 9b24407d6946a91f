"""What is normal for a subject: the file `inspection.json` of its package, or what can be told without it.

The file is no part of what decides a picture: it is not in the package's hash, and adding it renders nothing anew.
Legend: L cells of a look's side, N points, H/W pixels, 3 = RGB or (x, y, z).
"""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, Final, Self

import cv2
import numpy as np
from numpy.typing import NDArray

from stages.errors import SubjectError
from stages.files import check_types, read_record
from stages.geometry.canonical import pose
from stages.inspection.checks import Limits, Range
from stages.inspection.look import LOOK_CELLS, Look, face_sharpness, look_of
from stages.subject.package import SubjectPackage
from stages.subject.package_files import digest_of
from stages.whole_files import written_whole

NORMS_FILE: Final = "inspection.json"

_SCHEMA: Final = "farm.inspection/v2"
_FIRST_SCHEMA: Final = "farm.inspection/v1"
"""Names nothing of what the limits were fitted on, and holds for whatever the package draws with."""

_MOST_FRAMES: Final = 1 << 24


@dataclass(frozen=True, slots=True, kw_only=True)
class FittedOn:
    """What limits were fitted on.

    Attributes:
        frames: Frames that were drawn.
        unseen: Those of them that nothing was learnt from.
        drawn_by: What drew them, see `drawing_sha256`; of anything else they say nothing.
    """

    frames: int
    unseen: int
    drawn_by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredNorms:
    """The file `inspection.json`; `fitted` is None in its first version."""

    limits: Limits
    look_LL3: Look
    fitted: FittedOn | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Norms:
    """What a subject's pictures are held against.

    Attributes:
        limits: What is good.
        look_LL3: The subject's colours, see `stages.inspection.look`.
        sharpness: Variance of the Laplacian on the reference image's face, at the size of the pictures.
        is_fitted: Whether the limits were fitted to the subject, or hold for all.
        notice: Why the subject's own are not used; empty where they are, and where it has none.
    """

    limits: Limits
    look_LL3: Look
    sharpness: float
    is_fitted: bool
    notice: str = ""

    @classmethod
    def of(cls, subject: SubjectPackage, *, folder: Path, size: int) -> Self:
        """Norms of a package in `folder`, for pictures of `size` px.

        Raises:
            SubjectError: `inspection.json` is not what this version reads (``subject_damaged``).
        """
        general = cls.for_all(subject, size=size)
        stored = read_norms(folder)
        if stored is None:
            return general
        if stored.fitted is not None and stored.fitted.drawn_by != drawing_sha256(subject):
            notice = f"{subject.name} is held against the limits for all: its own are not of what it is drawn with now"
            # Into the folder of a finished preparation the same one is not made again.
            trained = subject.renderer_weights is not None
            way_out = "farm train fits them again" if trained else "prepare it again, into an empty folder"
            return replace(general, notice=f"{notice} ({way_out})")
        return replace(general, limits=stored.limits, look_LL3=stored.look_LL3, is_fitted=True)

    @classmethod
    def for_all(cls, subject: SubjectPackage, *, size: int) -> Self:
        """Norms of a subject of whom nothing is known but its reference image, for pictures of `size` px."""
        reference_HW3 = _resized(subject.reference_HW3, size=size)
        template = subject.template
        # The reference is taken near the middle of the subject's poses: its face needs no detector to be found.
        mesh_N3 = pose(template.mesh_N3[None], template.head_7[None])[0]
        return cls(
            limits=Limits(),
            look_LL3=look_of(reference_HW3, mesh_N3),
            sharpness=face_sharpness(reference_HW3, mesh_N3),
            is_fitted=False,
        )


def drawing_sha256(subject: SubjectPackage) -> str:
    """Of the files that draw a subject: its renderer's weights and its reference library."""
    digest = hashlib.sha256()
    for path in (subject.renderer_weights, subject.library):
        digest.update(b"" if path is None else digest_of(path))
    return digest.hexdigest()


def read_norms(folder: Path) -> StoredNorms | None:
    """A package's own file, or None where it has none.

    Raises:
        SubjectError: The file is not what this version reads (``subject_damaged``).
    """
    path = folder / NORMS_FILE
    if not path.is_file():
        return None
    try:
        record = json.loads(read_record(path))
        fields_of = {
            _SCHEMA: {"schema", "limits", "look", "fitted"},
            _FIRST_SCHEMA: {"schema", "limits", "look"},
        }
        schema = record.get("schema") if isinstance(record, dict) else None
        if not isinstance(schema, str) or set(record) != fields_of.get(schema):
            raise ValueError(f"it is no record of {_SCHEMA}")
        return StoredNorms(
            limits=_limits(record["limits"]),
            look_LL3=_look(record["look"]),
            fitted=_fitted(record["fitted"]) if "fitted" in record else None,
        )
    except (ArithmeticError, LookupError, OSError, RecursionError, TypeError, ValueError) as error:
        raise SubjectError(
            code="subject_damaged",
            where=str(path),
            what=f"not the limits of a subject: {error}",
            hint="remove the file, and the limits for all hold; training fits them again",
        ) from error


def write_norms(folder: Path, *, limits: Limits, look_LL3: Look, fitted: FittedOn) -> None:
    """Write `inspection.json` into a package, whole or not at all."""
    record = {
        "schema": _SCHEMA,
        "fitted": asdict(fitted),
        "limits": {
            name: {end: value for end, value in given.items() if value is not None}
            for name, given in asdict(limits).items()
        },
        "look": np.round(look_LL3).astype(int).tolist(),
    }
    with written_whole(folder / NORMS_FILE) as partial:
        partial.write_text(json.dumps(record) + "\n", encoding="utf-8")


def _limits(given: Any) -> Limits:
    names = {field.name for field in fields(Limits)}
    if set(given) != names:
        raise ValueError(f"limits must be given for {', '.join(sorted(names))}")
    return Limits(**{name: _range(ends) for name, ends in given.items()})


def _look(given: Any) -> Look:
    look_LL3 = np.array(given, dtype=np.float64)
    if look_LL3.shape != (LOOK_CELLS, LOOK_CELLS, 3) or not np.isfinite(look_LL3).all():
        raise ValueError(f"the look must be {LOOK_CELLS} x {LOOK_CELLS} x 3 finite numbers")
    return look_LL3


def _fitted(given: Any) -> FittedOn:
    fitted = FittedOn(**given)
    check_types(fitted)
    if not 0 <= fitted.unseen <= fitted.frames <= _MOST_FRAMES:
        raise ValueError(f"limits cannot be fitted on {fitted.frames} frames, {fitted.unseen} of them unseen")
    return fitted


def _range(given: Any) -> Range:
    ends = dict(given)
    if not set(ends) <= {"at_least", "at_most"} or not all(
        type(value) in (int, float) and math.isfinite(value) for value in ends.values()
    ):
        raise ValueError(f"{given!r} is no range of at_least and at_most")
    return Range(**ends)


def _resized(picture_HW3: NDArray[np.uint8], *, size: int) -> NDArray[np.uint8]:
    if picture_HW3.shape[0] == size:
        return picture_HW3
    resized = cv2.resize(picture_HW3, (size, size), interpolation=cv2.INTER_AREA)
    return np.asarray(resized, dtype=np.uint8)
