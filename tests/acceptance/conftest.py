"""Jobs rendered with the shipped weights, as a studio renders them: by the command line, on a real Ray."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from stages.builtin import builtin_subject

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Rendered:
    """A master and what `farm render --json` said of it."""

    master: Path
    report: dict[str, Any]

    @property
    def sha256(self) -> str:
        return str(self.report["takes"][0]["sha256"])


RenderSpeech = Callable[..., Rendered]


@pytest.fixture(scope="session")
def render_speech(tmp_path_factory: pytest.TempPathFactory) -> RenderSpeech:
    def render(speech: Path, *, seed: int = 7, replicas: int = 2, motion: str = "{}") -> Rendered:
        folder = tmp_path_factory.mktemp("job")
        spec = folder / "job.yaml"
        spec.write_text(
            "apiVersion: farm/v1\nkind: RenderJob\nmetadata: {name: hello, project: acceptance}\n"
            f"spec:\n  speech: {speech}\n  subject: builtin:actor-a\n  seed: {seed}\n  motion: {motion}\n"
            f"  output: {{profile: preview, uri: {folder}/hello.mp4}}\n"
        )
        command = [sys.executable, "-m", "farm", "render", str(spec), "--replicas", str(replicas)]
        command += ["--store", str(folder / "store"), "--json"]
        run = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
        assert run.returncode == 0, run.stdout + run.stderr
        return Rendered(master=folder / "hello.mp4", report=json.loads(run.stdout))

    return render


@pytest.fixture(scope="session")
def example_speech() -> Path:
    return ROOT / "examples" / "hello.wav"


@pytest.fixture(scope="session")
def example(render_speech: RenderSpeech, example_speech: Path) -> Rendered:
    """The example job, with two replicas and its own seed."""
    return render_speech(example_speech)


@pytest.fixture(scope="session")
def unrepaired_actor(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A shipped actor as before any training: ten times quicker to draw."""
    folder = tmp_path_factory.mktemp("unrepaired") / "actor-a"
    shutil.copytree(builtin_subject("actor-a"), folder)
    facts = yaml.safe_load((folder / "subject.yaml").read_text())
    (folder / "subject.yaml").write_text(yaml.safe_dump({**facts, "renderer": ""}))
    return folder


@pytest.fixture(scope="session")
def long_speech() -> Path:
    path = ROOT.parent / "shared" / "data" / "audio" / "en_musetalk_60s.wav"
    if not path.is_file():
        pytest.skip("needs the minute of recorded speech in ../shared/data/audio, which is not shipped")
    return path
