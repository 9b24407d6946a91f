from __future__ import annotations

from pathlib import Path

from benchmarks.sync.moda_motion import score_moda
from stages.builtin import builtin_subject
from stages.subject.package import SubjectPackage

HELLO = Path(__file__).parents[3] / "examples" / "hello.wav"


def test_a_still_face_and_the_wrong_half_score_below_the_speech_itself():
    (spoken,) = score_moda([HELLO], SubjectPackage.load(builtin_subject("actor-b")).template, weights=None)
    assert spoken.own.confidence > 3 * spoken.still.confidence
    assert spoken.own.confidence > 1.5 * spoken.exchanged.confidence
