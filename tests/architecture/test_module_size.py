"""Files one can read in a sitting, in the words of the design."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("benchmarks", "farm", "infra", "jobs", "recipes", "stages")
SOURCES = [
    str(path.relative_to(ROOT)) for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))
]

LONGEST_FILE = 400
LONGEST_FUNCTION = 60

# Names that say where the author stopped thinking, and words the design replaced by its own.
BANNED_FILES = {"base_utils", "common", "helper", "helpers", "lib", "misc", "tools", "util", "utils"}
BANNED_WORDS = re.compile(r"(?:^|_)(?:avatar|chunk|shard|idx_lst|tmp2|foo|bar2)s?(?:_|$)")


@pytest.mark.parametrize("source", SOURCES)
def test_a_file_is_short_enough_to_read(source: str):
    assert len((ROOT / source).read_text().splitlines()) <= LONGEST_FILE


@pytest.mark.parametrize("source", SOURCES)
def test_a_function_is_short_enough_to_read(source: str):
    too_long = [
        f"{node.name} has {node.end_lineno - node.lineno + 1} lines"
        for node in ast.walk(ast.parse((ROOT / source).read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.end_lineno is not None
        and node.end_lineno - node.lineno + 1 > LONGEST_FUNCTION
    ]
    assert too_long == []


@pytest.mark.parametrize("source", SOURCES)
def test_names_are_words_of_the_design(source: str):
    path = Path(source)
    assert path.stem not in BANNED_FILES
    names = set()
    for node in ast.walk(ast.parse((ROOT / source).read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.arg):
            names.add(node.arg)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
    snake = {re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower() for name in names}
    assert sorted(name for name in snake if BANNED_WORDS.search(name)) == []
