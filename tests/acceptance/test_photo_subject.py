"""From one photo to a video, by the commands, at the settings that a stranger has."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from jobs.manifest import Manifest
from stages.builtin import builtin_subject

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

ROOT = Path(__file__).parents[2]
JOB = """apiVersion: farm/v1
kind: RenderJob
metadata: {{name: zoe, project: acceptance}}
spec: {{speech: {speech}, subject: zoe, output: {{uri: zoe.mp4{more}}}}}
"""


def farm(*arguments: object, folder: Path) -> dict[str, Any]:
    command = [sys.executable, "-m", "farm", *(str(each) for each in arguments), "--json"]
    if arguments[0] in ("render", "plan"):
        command += ["--store", str(folder / "store")]
    run = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    document: dict[str, Any] = json.loads(run.stdout)
    return document


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where a subject was prepared from the picture of a digital actor."""
    pytest.importorskip("mediapipe", reason="preparation needs MediaPipe", exc_type=ImportError)
    folder = tmp_path_factory.mktemp("photo")
    (folder / "agreement.txt").write_text("I agree.")
    photo = builtin_subject("actor-c") / "reference.png"
    names = ("--name", "zoe", "--consent", folder / "agreement.txt", "--out", folder / "zoe")
    prepared = farm("subject", "prepare", photo, *names, folder=folder)
    assert {verdict["code"]: verdict["level"] for verdict in prepared["verdicts"]}["limits"] == "ok"
    return folder


@pytest.mark.parametrize(("more", "size"), [("", 512), (", profile: preview", 256)], ids=["full", "preview"])
def test_a_photo_speaks_and_passes_limits_of_its_own(folder: Path, more: str, size: int) -> None:
    job = folder / "job.yaml"
    job.write_text(JOB.format(speech=ROOT / "examples" / "hello.wav", more=more))
    notes = farm("plan", job, folder=folder)["notes"]
    assert len([note for note in notes if "within 10 degrees of yaw" in note]) == 1
    report = farm("render", job, "--overwrite", folder=folder)
    manifest = Manifest.from_json(Path(report["takes"][0]["manifest"]).read_bytes())
    assert manifest.master.size_px == size
    assert manifest.subject.untrained
    assert manifest.subject.motion_limits is not None
    assert manifest.subject.motion_limits.yaw == 10.0
    for segment in manifest.segments:
        assert segment.inspection is not None
        assert segment.inspection.fitted_limits
        assert segment.inspection.flagged == ()
