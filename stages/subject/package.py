"""The subject package: everything the farm knows of a person it may show.

A folder with `subject.yaml`, `template.npz`, `reference.png` and the renderer's weights. A package that was just
prepared has no renderer yet and names none; training adds it.
Legend: N points, H/W pixels, 3 = (x, y, z) or RGB, 7 = head vector.
"""

from __future__ import annotations

import hashlib
import shutil
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

import cv2
import numpy as np
import yaml
from numpy.typing import NDArray

from stages.errors import SubjectError
from stages.payloads import HEAD_CHANNELS, MESH_POINTS, TORSO_POINTS
from stages.subject.template import Template

Floats = NDArray[np.float32]

_FACTS: Final = "subject.yaml"
_TEMPLATE: Final = "template.npz"
_REFERENCE: Final = "reference.png"
_RENDERER: Final = "renderer.safetensors"
_FIELDS: Final = ("name", "consent", "provenance", "licence", "renderer")
_RECORD_FIELDS: Final = ("consent_record", "consent_sha256")
"""Name the consent's own document in the package, where there is one, and its hash."""


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
        renderer_weights: path of the renderer's weights.
        sha256: over all files of the package.
    """

    name: str
    consent: str
    provenance: str
    licence: str
    template: Template
    reference_HW3: NDArray[np.uint8]
    renderer_weights: Path
    sha256: str

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read and check a package.

        Raises:
            SubjectError: not found, incomplete, damaged, without a consent record, or not trained yet
                (``subject.no-renderer``).
        """
        facts = _read_facts(folder)
        _check_consent(folder, facts)
        if not str(facts["renderer"] or "").strip():
            raise SubjectError(
                code="subject.no-renderer",
                where=str(folder),
                what="the package has no renderer yet",
                hint="train one on it: farm train SPEC, with stage: renderer",
            )
        weights = _inside(folder, str(facts["renderer"]))
        reference_HW3 = _read_reference(folder / _REFERENCE)
        return cls(
            name=str(facts["name"]),
            consent=str(facts["consent"]),
            provenance=str(facts["provenance"]),
            licence=str(facts["licence"]),
            template=_read_template(folder / _TEMPLATE),
            reference_HW3=reference_HW3,
            renderer_weights=weights,
            sha256=_hash([folder / _FACTS, folder / _TEMPLATE, folder / _REFERENCE, weights]),
        )

    @staticmethod
    def write(
        folder: Path, *, facts: dict[str, str], template: Template, reference_HW3: NDArray[np.uint8]
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
        _write_facts(folder, facts)

    @staticmethod
    def add_renderer(folder: Path, weights: Path) -> None:
        """Give a prepared package the renderer trained for it: a copy of a weights file.

        Each file is replaced whole, the weights first, so the package can be loaded at every moment.

        Raises:
            SubjectError: no package in the folder, or a damaged one.
        """
        facts = _read_facts(folder)
        partial = folder / f".partial-{_RENDERER}"
        shutil.copyfile(weights, partial)
        partial.replace(folder / _RENDERER)
        _write_facts(folder, {**facts, "renderer": _RENDERER})


def _write_facts(folder: Path, facts: dict[str, Any]) -> None:
    partial = folder / f".partial-{_FACTS}"
    partial.write_text(yaml.safe_dump(facts, sort_keys=False, allow_unicode=True))
    partial.replace(folder / _FACTS)


def _check_consent(folder: Path, facts: dict[str, Any]) -> None:
    if not str(facts["consent"] or "").strip():
        raise SubjectError(
            code="subject.no-consent",
            where=str(folder / _FACTS),
            what="the package names no consent record",
            hint="name the record under `consent:`; no face is rendered without one",
        )
    record = facts.get("consent_record")
    if record is None:
        return
    path = folder / str(record)
    # A name, not a path: the record lies in the package and travels with it.
    if Path(str(record)).name != str(record) or not path.is_file():
        raise SubjectError(
            code="subject.no-consent",
            where=str(path),
            what="the consent record that the package names is missing",
            hint="put the record back; no face is rendered without one",
        )
    if hashlib.sha256(path.read_bytes()).hexdigest() != facts.get("consent_sha256"):
        raise SubjectError(
            code="subject.no-consent",
            where=str(path),
            what="the consent record is not the one the package was prepared with",
            hint="put the original record back, or prepare the subject again with the new one",
        )


def _read_facts(folder: Path) -> dict[str, Any]:
    path = folder / _FACTS
    if not path.is_file():
        raise SubjectError(
            code="subject.not-found",
            where=str(folder),
            what=f"no subject package here: {_FACTS} is missing",
            hint="give the folder of a package, or builtin:NAME",
        )
    try:
        facts = yaml.safe_load(path.read_text())
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise _damaged(path, f"not YAML: {error}") from error
    if not isinstance(facts, dict):
        raise _damaged(path, "not a mapping of fields")
    missing = [name for name in _FIELDS if name not in facts]
    if missing:
        raise _damaged(path, f"fields missing: {', '.join(missing)}")
    return facts


def _inside(folder: Path, name: str) -> Path:
    path = (folder / name).resolve()
    # Built-in subjects share one weights file, which lies beside their folders.
    if not path.is_relative_to(folder.resolve().parent):
        raise _damaged(folder / _FACTS, f"renderer {name!r} points out of the package")
    if not path.is_file():
        raise SubjectError(
            code="subject.weights-not-found",
            where=str(path),
            what="the renderer's weights are missing",
            hint="complete the package, or train a renderer for this subject",
        )
    return path


def _read_template(path: Path) -> Template:
    try:
        # numpy reads a damaged archive in many ways that are not errors of its own: look at the checksums first.
        with zipfile.ZipFile(path) as archive:
            if archive.testzip() is not None:
                raise ValueError("a part of it was altered")
        with np.load(path, allow_pickle=False) as arrays:
            template = Template(
                **{name: arrays[name].astype(np.float32) for name in ("mesh_N3", "head_7", "torso_N3")}
            )
    except (OSError, ValueError, KeyError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
        raise _damaged(path, f"no readable template: {error}") from error
    for name, array, shape in (
        ("mesh", template.mesh_N3, (MESH_POINTS, 3)),
        ("head", template.head_7, (HEAD_CHANNELS,)),
        ("torso", template.torso_N3, (TORSO_POINTS, 3)),
    ):
        if array.shape != shape or not np.isfinite(array).all():
            raise _damaged(path, f"{name} must be {shape} finite numbers")
    return template


def _read_reference(path: Path) -> NDArray[np.uint8]:
    image = cv2.imread(str(path), cv2.IMREAD_COLOR) if path.is_file() else None
    if image is None or image.shape[0] != image.shape[1]:
        raise _damaged(path, "no readable square picture")
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), dtype=np.uint8)


def _hash(paths: list[Path]) -> str:
    digest = hashlib.sha256()
    for path in paths:
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def _damaged(path: Path, what: str) -> SubjectError:
    return SubjectError(
        code="subject.damaged",
        where=str(path),
        what=what,
        hint="make the package again, or restore it from a copy",
    )
