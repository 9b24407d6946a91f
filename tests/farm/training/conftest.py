"""What tests of training start from: a tiny trainer, a job with a clip it never reads, and runs without Ray."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

# The tiny trainer is a plain module beside the tests, not part of any package.
sys.path.insert(0, str(Path(__file__).parent))

from jobs.parse import LoadedTraining, parse_training

MakeTraining = Callable[..., LoadedTraining]


@pytest.fixture
def make_training(tmp_path: Path) -> MakeTraining:
    """Makes a train job in the temporary folder; keywords become fields of its spec."""

    def make(name: str = "tiny", **spec: Any) -> LoadedTraining:
        clip = tmp_path / "clips" / "jane"
        clip.mkdir(parents=True, exist_ok=True)
        (clip / "tracks.npz").write_bytes(b"a clip that no test reads")
        fields: dict[str, Any] = {
            "stage": "renderer",
            "clips": "[clips/jane]",
            "steps": 20,
            "checkpoints": "{every: 5, keep: 2}",
            "validation": "{every: 10}",
        } | spec
        lines = ["apiVersion: farm/v1", "kind: TrainJob", f"metadata: {{name: {name}, project: tests}}"]
        lines += ["spec:", *(f"  {field}: {value}" for field, value in fields.items())]
        text = "\n".join(lines) + "\n"
        (tmp_path / "job.yaml").write_text(text, encoding="utf-8")
        return parse_training(text, folder=tmp_path, where="job.yaml")

    return make
