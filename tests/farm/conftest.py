"""What every test of the farm starts from: small stages, a recording, a job, settings in a temporary folder."""

from __future__ import annotations

import sys
import wave
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

# The small stages are a plain module beside the tests, not part of any package.
sys.path.insert(0, str(Path(__file__).parent))

from fake_stages import FakeStages

from farm.config import PoolSizes
from farm.execution.opening import opened_inline
from farm.render_report import RenderReport, Silent
from farm.rendering import render_job
from infra.settings import FarmSettings
from jobs.parse import LoadedJob, parse_job

WriteSpeech = Callable[..., Path]
WriteJob = Callable[..., LoadedJob]
Render = Callable[..., RenderReport]


@pytest.fixture
def settings(tmp_path: Path) -> FarmSettings:
    return FarmSettings(store=str(tmp_path / "store"), cache=tmp_path / "cache", ray_auth="disabled")


@pytest.fixture
def stages(tmp_path: Path) -> FakeStages:
    return FakeStages.in_folder(tmp_path / "stages")


@pytest.fixture
def write_speech(tmp_path: Path) -> WriteSpeech:
    """Writes a recording: tones of changing loudness, so that no two windows sound alike."""

    def write(name: str = "hello.wav", *, seconds: float = 2.6, rate: int = 16_000) -> Path:
        count = round(seconds * rate)
        time_S = np.arange(count) / rate
        loudness_S = 0.12 + 0.1 * np.sin(2 * np.pi * 0.37 * time_S)
        sound_S = loudness_S * np.sin(2 * np.pi * 220 * time_S)
        path = tmp_path / name
        with wave.open(str(path), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(rate)
            file.writeframes((sound_S * 32767).astype("<i2").tobytes())
        return path

    return write


@pytest.fixture
def make_job(tmp_path: Path) -> WriteJob:
    """Makes a job in the temporary folder; keywords become fields of its spec."""

    def make(name: str = "hello", **spec: Any) -> LoadedJob:
        fields = {"speech": "hello.wav", "subject": "builtin:fake", "output": {"uri": "out/hello.mp4"}} | spec
        lines = [
            "apiVersion: farm/v1",
            "kind: RenderJob",
            f"metadata: {{name: {name}, project: tests}}",
            "spec:",
        ]
        lines += [f"  {field}: {_yaml(value)}" for field, value in fields.items()]
        text = "\n".join(lines) + "\n"
        (tmp_path / f"{name}.yaml").write_text(text, encoding="utf-8")
        return parse_job(text, folder=tmp_path, where=f"{name}.yaml")

    return make


@pytest.fixture
def render(settings: FarmSettings, stages: FakeStages) -> Render:
    """Renders a job in this process; keywords replace arguments of `render_job`."""

    def run(loaded: LoadedJob, **changes: Any) -> RenderReport:
        arguments: dict[str, Any] = {
            "settings": settings,
            "pools": PoolSizes(),
            "stages": stages,
            "listener": Silent(),
            "device_kind": "cpu test",
        } | changes
        arguments.setdefault("open_backend", partial(opened_inline, stages=arguments["stages"]))
        return render_job(loaded, **arguments)

    return run


def _yaml(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_yaml(item)}" for key, item in value.items()) + "}"
    return str(value)
