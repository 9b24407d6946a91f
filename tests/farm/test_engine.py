from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from farm.engine import engine_identity, source_digest
from jobs.version import engine_version

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def code(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    (tmp_path / "network.py").write_text("WIDTH = 24\n")
    (tmp_path / "data" / "mesh.npz").write_bytes(b"mesh")
    (tmp_path / "weights.safetensors").write_bytes(b"weights")
    return tmp_path


@pytest.mark.parametrize("name", ["network.py", "data/mesh.npz"])
def test_code_that_was_edited_is_another_engine(code: Path, name: str) -> None:
    before = source_digest(code)
    (code / name).write_bytes(b"WIDTH = 32\n")
    assert source_digest(code) != before


def test_a_file_that_moved_is_another_engine(code: Path) -> None:
    before = source_digest(code)
    (code / "network.py").rename(code / "other.py")
    assert source_digest(code) != before


def test_weights_have_a_hash_of_their_own(code: Path) -> None:
    before = source_digest(code)
    (code / "weights.safetensors").write_bytes(b"others")
    assert source_digest(code) == before


def test_the_identity_names_the_version_and_stays_the_same() -> None:
    assert re.fullmatch(re.escape(engine_version()) + r"\+[0-9a-f]{12}", engine_identity())
    assert engine_identity() == engine_identity()
