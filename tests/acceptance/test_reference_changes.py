"""A subject prepared from a digital actor's clip speaks: where its references change the picture does not jump."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.reference_changes import spoken_face, steps_of
from stages.subject.package import SubjectPackage

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

ROOT = Path(__file__).parents[2]


def test_the_largest_step_at_a_change_of_reference_is_one_that_motion_alone_makes(
    data: Path, tmp_path: Path
) -> None:
    pytest.importorskip("mediapipe", reason="preparation needs MediaPipe", exc_type=ImportError)
    (tmp_path / "agreement.txt").write_text("A fictional person.")
    command = [
        sys.executable,
        "-m",
        "farm",
        "subject",
        "prepare",
        data / "actors" / "actor_b.mp4",
        "--name",
        "zoe",
    ]
    command += ["--consent", tmp_path / "agreement.txt", "--out", tmp_path / "zoe"]
    run = subprocess.run([*map(str, command)], capture_output=True, text=True, cwd=ROOT, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    subject = SubjectPackage.load(tmp_path / "zoe")
    face = spoken_face(ROOT / "examples" / "hello.wav", subject=subject)
    found = steps_of(face, subject=subject)
    whole = found["picture"]
    assert whole.changed_T.sum() > 20
    # The largest movement of all may meet a change: then the change may add a hundredth, which nobody sees.
    assert whole.drawn_T[whole.changed_T].max() <= 1.01 * whole.kept_T.max()
    for part, steps in found.items():
        assert steps.alone_T.max() < 0.4 * steps.kept_T.max(), part
