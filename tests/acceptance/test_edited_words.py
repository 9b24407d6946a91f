"""A word is corrected near the end of a speech: shipped motion and faces, in one process, with one store for both."""

from __future__ import annotations

import json
import wave
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from farm.config import PoolSizes
from farm.execution.opening import opened_inline
from farm.execution.stages import RealStages
from farm.render_report import Silent
from farm.rendering import render_job
from infra.hardware import probe_hardware
from infra.settings import FarmSettings
from jobs.manifest import Manifest
from jobs.parse import parse_job
from stages.payloads import SAMPLE_RATE
from stages.speech.decode import read_speech

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

SECONDS = 20
WORD_AT_S = 19.2
# The window that hears the word begins at frame 300, and smoothing reaches a dozen frames back.
UNCHANGED = 5


def write(path: Path, samples_S: NDArray[np.float32]) -> None:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE)
        file.writeframes((np.clip(samples_S, -1, 1) * 32767).astype("<i2").tobytes())


def render(name: str, folder: Path, *, subject: Path, store: str, **speech: Any) -> Manifest:
    stages = RealStages()
    document = {
        "apiVersion": "farm/v1",
        "kind": "RenderJob",
        "metadata": {"name": name, "project": "acceptance"},
        "spec": {
            "speech": {"uri": f"{name}.wav", **speech},
            "subject": str(subject),
            "seed": 7,
            "output": {"uri": f"{store}-{name}.mp4"},
        },
    }
    report = render_job(
        parse_job(json.dumps(document), folder=folder),
        settings=FarmSettings(store=str(folder / store), cache=folder / "cache"),
        pools=PoolSizes(),
        stages=stages,
        open_backend=partial(opened_inline, stages=stages),
        listener=Silent(),
        device_kind=probe_hardware().device_kind,
    )
    return Manifest.from_json(Path(report.takes[0].manifest).read_bytes())


def test_a_corrected_word_renders_what_hears_it_and_gives_the_bytes_of_a_whole_render(
    example_speech: Path, unrepaired_actor: Path, tmp_path: Path
) -> None:
    samples_S = np.resize(read_speech(example_speech).samples_S, SECONDS * SAMPLE_RATE).astype(np.float32)
    write(tmp_path / "first.wav", samples_S)
    word = slice(round(WORD_AT_S * SAMPLE_RATE), round((WORD_AT_S + 0.4) * SAMPLE_RATE))
    samples_S[word] = samples_S[SAMPLE_RATE : SAMPLE_RATE + (word.stop - word.start)]
    write(tmp_path / "edit.wav", samples_S)

    rendered = partial(render, folder=tmp_path, subject=unrepaired_actor)
    first = rendered("first", store="shared")
    gain_db = first.speech.media.found["sound"]["level"]["gain_db"]
    edit = rendered("edit", store="shared", gain_db=gain_db)
    whole = rendered("edit", store="empty", gain_db=gain_db)
    assert [segment.found for segment in edit.segments] == [index < UNCHANGED for index in range(10)]
    assert [(each.key, each.sha256) for each in edit.segments] == [
        (each.key, each.sha256) for each in whole.segments
    ]
    assert edit.master.sha256 == whole.master.sha256
