"""The product holds what its commands reach; benchmarks and recipes lie outside it and are run by hand."""

from __future__ import annotations

import ast
import importlib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PRODUCT = ("farm", "infra", "jobs", "stages")
WORKSHOP = ("benchmarks", "recipes")

# The `farm` command, and the packages as libraries. Whatever runs in another process is named by one of these.
ENTRIES = ("farm", "farm.__main__", "infra", "jobs", "stages")


def module_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {
    module_of(path): ast.parse(path.read_text())
    for package in PRODUCT
    for path in sorted((ROOT / package).rglob("*.py"))
}
SCRIPTS = sorted(
    module_of(path)
    for package in WORKSHOP
    for path in (ROOT / package).rglob("*.py")
    if 'if __name__ == "__main__":' in path.read_text()
)


def named_in(tree: ast.Module) -> Iterator[str]:
    """Every module that is imported, inside functions too, or named by a text as lazy imports do."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def reached() -> set[str]:
    found: set[str] = set()
    waiting = list(ENTRIES)
    while waiting:
        name = waiting.pop()
        if name in MODULES and name not in found:
            found.add(name)
            waiting += [name.rpartition(".")[0], *named_in(MODULES[name])]
    return found


def test_every_module_of_the_product_is_reached_from_its_entry_points():
    assert sorted(MODULES.keys() - reached()) == []


def test_the_product_is_run_by_its_command_alone():
    conditions = {
        name: [ast.unparse(node.test) for node in tree.body if isinstance(node, ast.If)]
        for name, tree in MODULES.items()
        if name != "farm.__main__"
    }
    assert [name for name, tests in conditions.items() if any("__name__" in test for test in tests)] == []


def test_there_are_scripts_and_each_package_lists_its_own():
    assert len(SCRIPTS) > 10
    for package in WORKSHOP:
        listed = importlib.import_module(package).__doc__ or ""
        mine = [name for name in SCRIPTS if name.startswith(f"{package}.")]
        assert [name for name in mine if f"| `{name}` |" not in listed] == []
        assert listed.count(f"| `{package}.") == len(mine)


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_script_says_how_it_is_called(
    script: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    module = importlib.import_module(script)
    assert f"python -m {script}" in (module.__doc__ or "")
    monkeypatch.setattr("sys.argv", [script, "--help"])
    with pytest.raises(SystemExit) as left:
        module.main()
    assert left.value.code == 0
    assert capsys.readouterr().out.startswith("usage: ")
