from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from stages.assets import Asset
from stages.errors import WeightsError


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """An importable package that carries two parts of a model file."""
    folder = tmp_path / "carrier_of_a_model"
    folder.mkdir()
    (folder / "__init__.py").write_text("raise RuntimeError('must not be imported')\n")
    (folder / "a.part1").write_bytes(b"first ")
    (folder / "a.part2").write_bytes(b"second")
    monkeypatch.syspath_prepend(tmp_path)
    return folder.name


def asset(package: str, *, sha256: str, parts: tuple[str, ...] = ("a.part1", "a.part2")) -> Asset:
    return Asset(
        name="a model",
        sha256=sha256,
        parts=tuple((package, part) for part in parts),
        requirement="carrier==1.0",
        licence="MIT",
    )


def test_parts_are_joined_in_order_without_importing_their_package(package: str):
    sha256 = hashlib.sha256(b"first second").hexdigest()
    assert asset(package, sha256=sha256).read() == b"first second"


def test_altered_bytes_are_refused(package: str):
    with pytest.raises(WeightsError, match="expected 000") as caught:
        asset(package, sha256="0" * 64).read()
    assert caught.value.code == "weights_asset_altered"


@pytest.mark.parametrize("missing", ["package", "part"])
def test_a_missing_file_names_what_to_install(package: str, missing: str):
    wanted = asset("no_such_carrier" if missing == "package" else package, sha256="1" * 64, parts=("b.bin",))
    with pytest.raises(WeightsError, match=r"carrier==1\.0") as caught:
        wanted.read()
    assert caught.value.code == "weights_asset_missing"
