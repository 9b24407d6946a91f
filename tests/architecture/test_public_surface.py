"""Packages offer what they list, in order, and carry their types."""

from __future__ import annotations

import ast
import importlib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
INSTALLED = ("farm", "infra", "jobs", "stages")
PACKAGES = (*INSTALLED, "benchmarks", "recipes")
INITS = sorted(
    str(path.relative_to(ROOT)) for package in PACKAGES for path in (ROOT / package).rglob("__init__.py")
)


@pytest.mark.parametrize("init", INITS)
def test_a_package_lists_what_it_offers_in_order(init: str):
    package = ".".join(Path(init).parent.parts)
    module = importlib.import_module(package)
    listed = getattr(module, "__all__", None)
    if listed is None:
        assert reexported(ROOT / init) == [], "what a package re-exports belongs in __all__"
        return
    assert list(listed) == sorted(set(listed), key=in_order), "__all__ is sorted, without repeats"
    for name in listed:
        assert hasattr(module, name), f"{package}.{name} is listed but not there"


def in_order(name: str) -> tuple[int, str]:
    """Constants, then classes, then functions, as ruff sorts them."""
    return (0 if name.isupper() else 1 if name[0].isupper() else 2), name


def reexported(path: Path) -> list[str]:
    return [
        alias.asname or alias.name
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.ImportFrom) and node.module != "__future__"
        for alias in node.names
        if not (alias.asname or alias.name).startswith("_") and (node.module or "").split(".")[0] in PACKAGES
    ]


@pytest.mark.parametrize("package", INSTALLED)
def test_a_package_says_that_it_is_typed(package: str):
    assert (ROOT / package / "py.typed").is_file()


@pytest.mark.parametrize("package", PACKAGES)
def test_every_folder_of_code_is_a_package(package: str):
    folders = {path.parent for path in (ROOT / package).rglob("*.py")}
    assert [str(folder) for folder in folders if not (folder / "__init__.py").is_file()] == []


def test_test_files_have_names_of_their_own_and_shadow_no_package():
    tests = ROOT / "tests"
    names = [path.name for path in tests.rglob("test_*.py")]
    assert sorted(names) == sorted(set(names))
    assert [str(path) for path in tests.rglob("__init__.py")] == []
