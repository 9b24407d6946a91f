from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

# The average actor is a plain module beside the tests, not part of any package.
sys.path.insert(0, str(Path(__file__).parents[1]))

from average_actor import average_template

from stages.subject.package import SubjectPackage


@pytest.fixture
def facts() -> dict[str, str]:
    return {
        "name": "Zoë",
        "consent": "not needed: an average of many faces",
        "provenance": "test",
        "licence": "CC0-1.0",
        "renderer": "renderer.safetensors",
    }


@pytest.fixture
def reference_HW3() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (48, 48, 3), dtype=np.uint8)


@pytest.fixture
def folder(tmp_path: Path, facts: dict[str, str], reference_HW3: np.ndarray) -> Path:
    """A whole subject package, two folders below the temporary one."""
    path = tmp_path / "subjects" / "zoe"
    SubjectPackage.write(path, facts=facts, template=average_template(), reference_HW3=reference_HW3)
    (path / "renderer.safetensors").write_bytes(b"weights")
    return path
