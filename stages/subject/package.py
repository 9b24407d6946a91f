"""The subject package: everything the farm knows of a person it may show.

A folder with `subject.yaml`, `template.npz`, `reference.png`, mostly a reference library, and the renderer's weights.
A package that was just prepared has no renderer yet and names none; training adds it. With a library it can be rendered
nevertheless.
Legend: N points, H/W pixels, 3 = (x, y, z) or RGB, 7 = head vector.
"""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

import cv2
import numpy as np
import yaml
from numpy.typing import NDArray

from stages.errors import SubjectError
from stages.files import is_plain_file
from stages.subject.library_file import LIBRARY_FILE, check_library
from stages.subject.motion_limits import MotionLimits
from stages.subject.package_files import damaged, digest_of, inside, read_facts, read_reference, read_template
from stages.subject.template import Template
from stages.whole_files import written_whole

Floats = NDArray[np.float32]

_FACTS: Final = "subject.yaml"
_TEMPLATE: Final = "template.npz"
_REFERENCE: Final = "reference.png"
RENDERER_FILE: Final = "renderer.safetensors"
"""Name of the renderer's weights in a package of its own."""

_FIELDS: Final = ("name", "consent", "provenance", "licence", "renderer")
SCHEMA: Final = "farm.subject/v1"
"""Version of the package's form; packages of the first builds name none, and are of this one."""

_RECORD_FIELDS: Final = ("consent_record", "consent_sha256")
"""Name the consent's own document in the package, where there is one, and its hash."""

_LIMITS_FIELD: Final = "motion_limits"
"""How far the head may move, see `MotionLimits`; packages made from a clip have none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SubjectPackage:
    """A subject, ready to speak.

    Attributes:
        name: of the subject.
        consent: the record of the person's consent, or why none is needed (a fictional person).
        provenance: where pictures and template come from.
        licence: SPDX name or a sentence.
        template: mean mesh, head vector and shoulders.
        reference_HW3: (H, W, 3) uint8 RGB reference image.
        renderer_weights: path of the renderer's weights; None where none was trained.
        library: path of the reference library, which is read where it is used; None where there is none.
        motion_limits: how far its head may move; None where that is not limited.
        sha256: over all files of the package.
    """

    name: str
    consent: str
    provenance: str
    licence: str
    template: Template
    reference_HW3: NDArray[np.uint8]
    renderer_weights: Path | None
    sha256: str
    library: Path | None = None
    motion_limits: MotionLimits | None = None

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read and check a package.

        Raises:
            SubjectError: not found, incomplete, damaged, without a consent record, neither trained nor with a
                library (``subject_no_renderer``), or with the library of another subject (``library_mismatch``).
        """
        facts = _facts_of(folder)
        _check_consent(folder, facts)
        library = inside(folder, LIBRARY_FILE) if is_plain_file(folder / LIBRARY_FILE) else None
        is_trained = bool(facts["renderer"].strip())
        if not is_trained and library is None:
            raise SubjectError(
                code="subject_no_renderer",
                where=str(folder),
                what="the package has neither a renderer nor a library of references",
                hint="prepare the subject again, or train it: farm train SPEC, with stage: renderer",
            )
        weights = _weights_of(folder, facts["renderer"]) if is_trained else None
        template_file, reference = (inside(folder, name) for name in (_TEMPLATE, _REFERENCE))
        template = read_template(template_file)
        if library is not None:
            check_library(library, template=template)
        return cls(
            name=facts["name"],
            consent=facts["consent"],
            provenance=facts["provenance"],
            licence=facts["licence"],
            template=template,
            reference_HW3=read_reference(reference),
            renderer_weights=weights,
            # In this order: of a package without a library the hash is what it was before there were any.
            sha256=_hash(
                [folder / _FACTS, template_file, reference, *(file for file in (weights, library) if file)]
            ),
            library=library,
            motion_limits=_limits_of(folder, facts),
        )

    @property
    def is_trained(self) -> bool:
        """Whether it has a renderer; if not, it is drawn by warping its references alone."""
        return self.renderer_weights is not None

    @staticmethod
    def write(
        folder: Path,
        *,
        facts: dict[str, str],
        template: Template,
        reference_HW3: NDArray[np.uint8],
        motion_limits: MotionLimits | None = None,
    ) -> None:
        """Write everything of a package but the renderer's weights, which `facts["renderer"]` names; empty: none yet.

        `subject.yaml` comes last and makes it a package. Raises ValueError when a field is missing.
        """
        if set(facts) - set(_RECORD_FIELDS) != set(_FIELDS):
            raise ValueError(f"a package has the fields {_FIELDS}, not {tuple(facts)}")
        folder.mkdir(parents=True, exist_ok=True)
        np.savez_compressed(
            folder / _TEMPLATE, mesh_N3=template.mesh_N3, head_7=template.head_7, torso_N3=template.torso_N3
        )
        cv2.imwrite(str(folder / _REFERENCE), cv2.cvtColor(reference_HW3, cv2.COLOR_RGB2BGR))
        limits = {} if motion_limits is None else {_LIMITS_FIELD: motion_limits.as_record()}
        _write_facts(folder, {**facts, **limits})

    @staticmethod
    def add_renderer(folder: Path, weights: Path) -> None:
        """Give a prepared package the renderer trained for it: a copy of a weights file.

        Each file is replaced whole, the weights first, so the package can be loaded at every moment.

        Raises:
            SubjectError: no package in the folder, or a damaged one.
        """
        _facts_of(folder)
        with written_whole(folder / RENDERER_FILE) as partial:
            shutil.copyfile(weights, partial)
        SubjectPackage.name_renderer(folder)

    @staticmethod
    def name_renderer(folder: Path) -> None:
        """Have a package draw with the weights that lie in it as `RENDERER_FILE`.

        Raises:
            SubjectError: no package in the folder, or a damaged one.
        """
        _write_facts(folder, {**_facts_of(folder), "renderer": RENDERER_FILE})


def _write_facts(folder: Path, facts: dict[str, Any]) -> None:
    facts = {"schema": SCHEMA, **facts}
    with written_whole(folder / _FACTS) as partial:
        partial.write_text(yaml.safe_dump(facts, sort_keys=False, allow_unicode=True))


def _facts_of(folder: Path) -> dict[str, Any]:
    if not is_plain_file(folder / _FACTS):
        raise SubjectError(
            code="subject_not_found",
            where=str(folder),
            what=f"no subject package here: {_FACTS} is missing",
            hint="give the folder of a package, or builtin:NAME",
        )
    facts = read_facts(inside(folder, _FACTS), fields=_FIELDS)
    if facts.get("schema", SCHEMA) != SCHEMA:
        raise SubjectError(
            code="subject_version",
            where=str(folder / _FACTS),
            what=f"the package is of version {str(facts['schema'])[:40]!r}, and this farm reads {SCHEMA!r}",
            hint="prepare the subject again, or use the version of the farm that wrote it",
        )
    return facts


def _limits_of(folder: Path, facts: dict[str, Any]) -> MotionLimits | None:
    record = facts.get(_LIMITS_FIELD)
    if record is None:
        return None
    try:
        return MotionLimits.of_record(record)
    except (TypeError, ValueError, OverflowError) as error:
        raise damaged(folder / _FACTS, f"no {_LIMITS_FIELD}: {error}") from error


def _check_consent(folder: Path, facts: dict[str, Any]) -> None:
    if not facts["consent"].strip():
        raise SubjectError(
            code="subject_no_consent",
            where=str(folder / _FACTS),
            what="the package names no consent record",
            hint="name the record under `consent:`; no face is rendered without one",
        )
    record = facts.get("consent_record")
    if record is None:
        return
    # A name, not a path: the record lies in the package and travels with it.
    if Path(str(record)).name != str(record) or not is_plain_file(path := inside(folder, str(record))):
        raise SubjectError(
            code="subject_no_consent",
            where=str(folder / _FACTS),
            what="the consent record that the package names is missing",
            hint="put the record back; no face is rendered without one",
        )
    if digest_of(path).hex() != facts.get("consent_sha256"):
        raise SubjectError(
            code="subject_no_consent",
            where=str(path),
            what="the consent record is not the one the package was prepared with",
            hint="put the original record back, or prepare the subject again with the new one",
        )


def _weights_of(folder: Path, name: str) -> Path:
    # Built-in subjects share one weights file, which lies beside their folders.
    path = inside(folder, name, root=folder.parent)
    if not is_plain_file(path):
        raise SubjectError(
            code="subject_weights_not_found",
            where=str(path),
            what="the renderer's weights are missing",
            hint="complete the package, or train a renderer for this subject",
        )
    return path


def _hash(paths: list[Path]) -> str:
    digest = hashlib.sha256()
    for path in paths:
        digest.update(digest_of(path))
    return digest.hexdigest()
