"""What is normal for a subject: the file `inspection.json` of its package, or what can be told without it.

The file is no part of what decides a picture: it is not in the package's hash, and adding it renders nothing anew.
Legend: L cells of a look's side, N points, H/W pixels, 3 = RGB or (x, y, z).
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Final, Self

import cv2
import numpy as np
from numpy.typing import NDArray

from stages.errors import SubjectError
from stages.geometry.canonical import pose
from stages.inspection.checks import Limits, Range
from stages.inspection.look import LOOK_CELLS, Look, face_sharpness, look_of
from stages.subject.package import SubjectPackage
from stages.whole_files import written_whole

NORMS_FILE: Final = "inspection.json"

_SCHEMA: Final = "farm.inspection/v1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Norms:
    """What a subject's pictures are held against.

    Attributes:
        limits: What is good.
        look_LL3: The subject's colours, see `stages.inspection.look`.
        sharpness: Variance of the Laplacian on the reference image's face, at the size of the pictures.
        is_fitted: Whether the limits were fitted to the subject, or hold for all.
    """

    limits: Limits
    look_LL3: Look
    sharpness: float
    is_fitted: bool

    @classmethod
    def of(cls, subject: SubjectPackage, *, folder: Path, size: int) -> Self:
        """Norms of a package in `folder`, for pictures of `size` px.

        Raises:
            SubjectError: `inspection.json` is not what this version writes (``subject_damaged``).
        """
        reference_HW3 = _resized(subject.reference_HW3, size=size)
        template = subject.template
        # The reference is taken near the middle of the subject's poses: its face needs no detector to be found.
        mesh_N3 = pose(template.mesh_N3[None], template.head_7[None])[0]
        limits, look_LL3 = read_norms(folder) or (Limits(), look_of(reference_HW3, mesh_N3))
        return cls(
            limits=limits,
            look_LL3=look_LL3,
            sharpness=face_sharpness(reference_HW3, mesh_N3),
            is_fitted=(folder / NORMS_FILE).is_file(),
        )


def read_norms(folder: Path) -> tuple[Limits, Look] | None:
    """Limits and look of a package's own file, or None where it has none.

    Raises:
        SubjectError: The file is not what this version writes (``subject_damaged``).
    """
    path = folder / NORMS_FILE
    if not path.is_file():
        return None
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        if set(record) != {"schema", "limits", "look"} or record["schema"] != _SCHEMA:
            raise ValueError(f"it is not a record of {_SCHEMA}")
        names = {field.name for field in fields(Limits)}
        if set(record["limits"]) != names:
            raise ValueError(f"limits must be given for {', '.join(sorted(names))}")
        limits = Limits(**{name: _range(given) for name, given in record["limits"].items()})
        look_LL3 = np.array(record["look"], dtype=np.float64)
        if look_LL3.shape != (LOOK_CELLS, LOOK_CELLS, 3) or not np.isfinite(look_LL3).all():
            raise ValueError(f"the look must be {LOOK_CELLS} x {LOOK_CELLS} x 3 finite numbers")
    except (ValueError, TypeError, KeyError) as error:
        raise SubjectError(
            code="subject_damaged",
            where=str(path),
            what=f"not the norms of a subject: {error}",
            hint="remove the file, or fit them again with python -m recipes.inspection.calibrate of the source tree",
        ) from error
    return limits, look_LL3


def write_norms(folder: Path, *, limits: Limits, look_LL3: Look) -> None:
    """Write `inspection.json` into a package, whole or not at all."""
    record = {
        "schema": _SCHEMA,
        "limits": {
            name: {end: value for end, value in given.items() if value is not None}
            for name, given in asdict(limits).items()
        },
        "look": np.round(look_LL3).astype(int).tolist(),
    }
    with written_whole(folder / NORMS_FILE) as partial:
        partial.write_text(json.dumps(record) + "\n", encoding="utf-8")


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
