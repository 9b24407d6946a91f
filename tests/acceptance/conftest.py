"""The example job rendered once with the shipped weights, and what is seen in the result."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from typer.testing import CliRunner

from farm.cli import app

ROOT = Path(__file__).parents[2]
SHARED = ROOT.parent / "shared" / "data"


@dataclass(frozen=True, slots=True)
class Rendered:
    """A master and what `farm render --json` said of it."""

    master: Path
    report: dict[str, object]


RenderSpec = Callable[..., Rendered]


@pytest.fixture(scope="session")
def render_spec(tmp_path_factory: pytest.TempPathFactory) -> RenderSpec:
    """Render speech with the built-in actor through the command line, on a real Ray, into a store of its own."""

    def render(name: str, *, speech: Path, seed: int = 7, replicas: int = 2, motion: str = "{}") -> Rendered:
        folder = tmp_path_factory.mktemp(name)
        spec = folder / "job.yaml"
        spec.write_text(
            f"apiVersion: farm/v1\nkind: RenderJob\nmetadata: {{name: {name}, project: acceptance}}\n"
            f"spec:\n  speech: {speech}\n  subject: builtin:actor-a\n  seed: {seed}\n  motion: {motion}\n"
            f"  output: {{profile: preview, uri: {folder}/{name}.mp4}}\n"
        )
        arguments = [
            "render",
            str(spec),
            "--replicas",
            str(replicas),
            "--store",
            str(folder / "store"),
            "--json",
        ]
        result = CliRunner().invoke(app, arguments)
        assert result.exit_code == 0, result.output
        return Rendered(master=folder / f"{name}.mp4", report=json.loads(result.stdout))

    return render


@pytest.fixture(scope="session")
def example_speech() -> Path:
    return ROOT / "examples" / "hello.wav"
