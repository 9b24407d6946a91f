"""A concept has one name, and a name is one concept: what no other tool looks at."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("farm", "infra", "jobs", "stages")


def modules() -> Iterator[Path]:
    for package in PACKAGES:
        yield from sorted((ROOT / package).rglob("*.py"))


def test_no_public_class_has_the_name_of_another() -> None:
    homes = defaultdict(list)
    for path in modules():
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                homes[node.name].append(str(path.relative_to(ROOT)))
    assert {name: places for name, places in homes.items() if len(places) > 1} == {}


def test_no_file_name_stands_in_more_than_two_packages() -> None:
    homes = defaultdict(set)
    for path in modules():
        if path.name not in {"__init__.py", "__main__.py"}:
            homes[path.name].add(str(path.parent.relative_to(ROOT)))
    assert {name: sorted(places) for name, places in homes.items() if len(places) > 2} == {}
