"""From a clip to a person that speaks, by the commands: at once by the warp alone, and again after some training.

The camera pans: what is behind the person is nowhere what the reference image shows.
"""

from __future__ import annotations

import json
import subprocess
import sys
import wave
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from jobs.manifest import Manifest
from stages.speech.decode import read_speech
from stages.video.decoding import read_frames

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

ROOT = Path(__file__).parents[2]
FRAMES = 100


def cut(source: Path, target: Path) -> Path:
    """The first seconds of a clip, in a file of their own."""
    frames = list(islice(read_frames(source), FRAMES))
    samples_S = read_speech(source).samples_S[: FRAMES * 640]
    with av.open(str(target), "w") as out:
        picture = out.add_stream("libx264", rate=25, options={"crf": "10", "preset": "superfast"})
        picture.height, picture.width = frames[0].shape[:2]
        picture.pix_fmt = "yuv420p"
        voice = out.add_stream("pcm_s16le", rate=16_000)
        voice.layout = "mono"
        for index, frame_HW3 in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(frame_HW3, format="rgb24")
            frame.pts, frame.time_base = index, Fraction(1, 25)
            out.mux(picture.encode(frame))
        out.mux(picture.encode(None))
        sound = av.AudioFrame.from_ndarray(
            np.round(samples_S * 32767).astype(np.int16)[None], format="s16", layout="mono"
        )
        sound.sample_rate, sound.time_base, sound.pts = 16_000, Fraction(1, 16_000), 0
        out.mux(voice.encode(sound))
        out.mux(voice.encode(None))
    return target


def farm(*arguments: object, folder: Path) -> dict[str, Any]:
    command = [sys.executable, "-m", "farm", *(str(each) for each in arguments), "--json"]
    if arguments[0] in ("render", "train"):
        command += ["--store", str(folder / "store")]
    run = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    document: dict[str, Any] = json.loads(run.stdout)
    return document


def rendered(folder: Path) -> Manifest:
    """Two seconds of the example, spoken by the subject."""
    with (
        wave.open(str(ROOT / "examples" / "hello.wav")) as whole,
        wave.open(str(folder / "two.wav"), "w") as two,
    ):
        two.setparams(whole.getparams())
        two.writeframes(whole.readframes(2 * whole.getframerate()))
    job = folder / "job.yaml"
    job.write_text(
        "apiVersion: farm/v1\nkind: RenderJob\nmetadata: {name: zoe, project: acceptance}\n"
        "spec: {speech: two.wav, subject: zoe, output: {uri: zoe.mp4}}\n"
    )
    report = farm("render", job, folder=folder)
    return Manifest.from_json(Path(report["takes"][0]["manifest"]).read_bytes())


def check_pictures(manifest: Manifest) -> None:
    """They are of full size and passed the subject's own limits."""
    assert manifest.master.size_px == 512
    assert manifest.master.frame_count == 50
    for segment in manifest.segments:
        assert segment.inspection is not None
        assert segment.inspection.fitted_limits
        assert segment.inspection.flagged == ()


def test_what_prepares_speaks_and_what_trains_speaks_on(data: Path, tmp_path: Path) -> None:
    pytest.importorskip("mediapipe", reason="preparation needs MediaPipe", exc_type=ImportError)
    clip = cut(data / "video" / "s14_12s.avi", tmp_path / "clip.mkv")
    (tmp_path / "agreement.txt").write_text("I agree.")
    package = tmp_path / "zoe"
    prepared = farm(
        *(
            "subject",
            "prepare",
            clip,
            "--name",
            "zoe",
            "--consent",
            tmp_path / "agreement.txt",
            "--out",
            package,
        ),
        folder=tmp_path,
    )
    levels = {verdict["code"]: verdict["level"] for verdict in prepared["verdicts"]}
    assert prepared["untrained"] is True
    assert (levels["background"], levels["limits"]) == ("warning", "ok")
    assert prepared["figures"]["fitted_unseen"] == 15

    untrained = rendered(tmp_path)
    assert untrained.subject.untrained
    check_pictures(untrained)

    trained = farm(
        *("train", "--stage", "renderer", "--subject", package, "--name", "zoe", "--steps", 3),
        *("--output", tmp_path / "zoe.safetensors"),
        folder=tmp_path,
    )
    assert trained["limits"] == {"frames": 50, "unseen": 15, "beyond": []}
    assert trained["best_score"] <= trained["first_score"]

    manifest = rendered(tmp_path)
    assert not manifest.subject.untrained
    assert manifest.plan_hash != untrained.plan_hash
    check_pictures(manifest)

    shown = farm("subject", "show", package, folder=tmp_path)
    assert (shown["untrained"], shown["architecture"]) == (False, "warped")
    assert 75 < shown["trained_frames"] < 90
    assert shown["limits"]["own"] is True
