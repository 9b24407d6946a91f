"""Lips against sound: the one place where a judge of sync is asked.

Legend: T frames, N points, S samples at 16 kHz, 3 = (x, y, z).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from stages.errors import SpeechError
from stages.evaluation.figures import SyncFigures
from stages.evaluation.watch import Watched
from stages.payloads import SAMPLES_PER_FRAME
from stages.speech.decode import read_speech
from stages.sync.score import SyncJudge

Floats = NDArray[np.float32]

OWN_JUDGE: Final = "moda-farm"


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncPair:
    """Sync of a generated video and of its reference; None where it was not judged, with the reasons in `notes`."""

    generated: SyncFigures | None
    reference: SyncFigures | None
    notes: tuple[str, ...]


def judge_pair(generated: Watched, reference: Watched, *, speech: Path | None) -> SyncPair:
    """Judge both against the speech, or each against the sound of its own file where no speech is given.

    Raises:
        SpeechError: a sound cannot be read.
        WeightsError: the judge's weights are damaged.
    """
    judge = SyncJudge()
    given_S = None if speech is None else read_speech(speech).samples_S
    notes: list[str] = []
    figures = [
        _judged(judge, watched, given_S, name=name, notes=notes)
        for name, watched in (("generated", generated), ("reference", reference))
    ]
    return SyncPair(generated=figures[0], reference=figures[1], notes=tuple(notes))


def _judged(
    judge: SyncJudge, watched: Watched, given_S: Floats | None, *, name: str, notes: list[str]
) -> SyncFigures | None:
    samples_S = given_S
    if samples_S is None:
        if not watched.look.facts.has_sound:
            notes.append(f"sync of the {name} video was not judged: it has no sound, and no speech was given")
            return None
        samples_S = read_speech(watched.look.path).samples_S
    frames = len(watched.found_T)
    try:
        score = judge.score(watched.canonical_TN3, samples_S[: frames * SAMPLES_PER_FRAME])
    except SpeechError as error:
        if error.code != "sync.too-short":
            raise
        notes.append(f"sync of the {name} video was not judged: {error.what}")
        return None
    return SyncFigures(
        offset=score.offset, confidence=score.confidence, distance=score.distance, judge=OWN_JUDGE
    )
