"""What importing a package loads, and the imports no general rule can name."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("benchmarks", "farm", "infra", "jobs", "recipes", "stages")


def sources() -> list[Path]:
    return sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))


def loaded_by(statement: str) -> set[str]:
    script = f"import sys\n{statement}\nprint(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, check=True, capture_output=True, text=True
    )
    return {name.partition(".")[0] for name in done.stdout.split()}


@pytest.mark.parametrize(
    ("package", "never"),
    [
        ("jobs", {"torch", "ray", "numpy", "boto3", "av", "cv2", "stages", "infra", "farm"}),
        ("infra", {"torch", "ray", "boto3", "stages", "farm"}),
        ("stages", {"torch", "ray", "boto3", "jobs", "infra", "farm"}),
        ("farm", {"torch", "boto3", "mediapipe", "transformers"}),
        ("recipes", {"torch", "ray", "stages", "infra", "farm"}),
        ("benchmarks", {"torch", "ray", "stages", "infra", "farm", "recipes"}),
    ],
)
def test_importing_a_package_loads_nothing_heavy(package: str, never: set[str]):
    assert loaded_by(f"import {package}") & never == set()


@pytest.mark.parametrize("module", ["farm.rendering", "farm.training.train_job", "farm.training.worker"])
def test_what_renders_and_trains_does_not_load_what_finds_faces(module: str):
    assert "mediapipe" not in loaded_by(f"import {module}")


@pytest.mark.parametrize("statement", ["import farm.cli", "from farm.cli import main; main(['--help'])"])
def test_what_the_command_line_offers_is_told_without_loading_what_does_it(statement: str):
    science = {"av", "cv2", "matplotlib", "mediapipe", "numpy", "scipy", "torch", "transformers"}
    machinery = {"boto3", "fastapi", "ray", "sqlalchemy"}
    assert loaded_by(statement) & (science | machinery) == set()


def imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


@pytest.mark.parametrize(
    ("library", "homes"),
    [
        ("ray", ("farm/execution/", "farm/evaluation/ray_", "farm/training/ray_", "infra/cluster.py")),
        ("boto3", ("infra/storage/s3_client.py",)),
        ("botocore", ("infra/storage/s3_client.py", "infra/storage/s3_meaning.py")),
        ("fastapi", ("farm/api/", "farm/page/")),
        ("jinja2", ("farm/page/templates.py",)),
        ("uvicorn", ("farm/api/server.py",)),
        ("mediapipe", ("stages/",)),
        ("typer", ("farm/cli/",)),
        ("pickle", ()),
    ],
)
def test_a_library_is_imported_only_where_it_lives(library: str, homes: tuple[str, ...]):
    strays = [
        str(path.relative_to(ROOT))
        for path in sources()
        if library in {name.partition(".")[0] for name in imported(path)}
        and not str(path.relative_to(ROOT)).startswith(homes)
    ]
    assert strays == []


def test_the_environment_is_read_in_one_place():
    strays = []
    for path in sources():
        for node in ast.walk(ast.parse(path.read_text())):
            reads = isinstance(node, ast.Attribute) and node.attr in {"environ", "getenv", "putenv"}
            if reads and path.relative_to(ROOT) != Path("infra/settings.py"):
                strays.append(f"{path.relative_to(ROOT)}:{node.lineno}")
    assert strays == []
