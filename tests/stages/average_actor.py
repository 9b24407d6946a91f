"""The average face as a subject: enough of a person for any stage, made of files that ship."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import numpy as np

from stages.subject.package import SubjectPackage
from stages.subject.template import Template


def average_template() -> Template:
    with np.load(str(files("stages.geometry") / "data" / "canonical_mesh.npz")) as stored:
        mesh_N3 = stored["mesh_N3"].astype(np.float32)
    columns = np.concatenate([np.linspace(4, 150, 9), np.linspace(362, 508, 9)])
    heights = 400 + 0.001 * (columns - 256) ** 2
    return Template(
        mesh_N3=mesh_N3,
        head_7=np.array([1, 2, 3, 256, 245, 3, 1.1], dtype=np.float32),
        torso_N3=np.stack([columns, heights, np.zeros(18)], axis=-1).astype(np.float32),
    )


def average_subject(*, name: str = "average", renderer_weights: Path = Path("none")) -> SubjectPackage:
    return SubjectPackage(
        name=name,
        consent="not needed: an average of many faces",
        provenance="test",
        licence="CC0-1.0",
        template=average_template(),
        reference_HW3=np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8),
        renderer_weights=renderer_weights,
        sha256="0" * 64,
    )
