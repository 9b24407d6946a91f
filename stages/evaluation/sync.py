"""Lips against sound: the one place where a judge of sync is asked.

Legend: T frames, N points, S samples at 16 kHz, 3 = (x, y, z).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from stages.errors import SpeechError
from stages.evaluation.figures import SyncFigures
from stages.evaluation.watch import Watched
from stages.geometry.canonical import pose
from stages.payloads import SAMPLES_PER_FRAME
from stages.speech.decode import read_levelled
from stages.sync.offsets import SyncScore
from stages.sync.score import SyncJudge
from stages.sync.syncnet import score_syncnet
from stages.sync.syncnet_weights import load_syncnet
from stages.video.decoding import read_frames

Floats = NDArray[np.float32]

OWN_JUDGE: Final = "moda-farm"
SYNCNET: Final = "syncnet"


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncJudgement:
    """Figures of one video, or the reason why there are none."""

    figures: SyncFigures | None
    notes: tuple[str, ...] = ()


def no_sync() -> SyncJudgement:
    """Where sync was not asked for."""
    return SyncJudgement(figures=None)


class SyncJudges:
    """Our own judge, or SyncNet where the user has its weights; loaded once for many videos.

    Attributes:
        speech: the sound to judge by; None: each video's own.
    """

    def __init__(self, *, speech: Path | None, syncnet: Path | None) -> None:
        """Raises SpeechError for speech that cannot be read, WeightsError for weights that cannot be used."""
        self.speech = speech
        self._speech = None if speech is None else read_levelled(speech)
        self._syncnet = None if syncnet is None else load_syncnet(syncnet)
        self._own = SyncJudge() if syncnet is None else None

    def judge(self, watched: Watched) -> SyncJudgement:
        """Judge a face against the sound; a video whose own cannot be read is told of in a note."""
        speech = self._speech
        if speech is None:
            if not watched.look.facts.has_sound:
                note = "sync was not judged: the video has no sound, and no speech was given"
                return SyncJudgement(figures=None, notes=(note,))
            try:
                speech = read_levelled(watched.look.path)
            except SpeechError as error:
                # The pictures were read, and their figures hold.
                note = f"sync was not judged: the sound of the video cannot be used: {error.what}"
                return SyncJudgement(figures=None, notes=(note,))
        if speech.is_silent:
            return SyncJudgement(figures=None, notes=("sync was not judged: the sound is silent throughout",))
        try:
            score = self._score(watched, speech.samples_S[: len(watched.found_T) * SAMPLES_PER_FRAME])
        except SpeechError as error:
            if error.code != "sync_too_short":
                raise
            return SyncJudgement(figures=None, notes=(f"sync was not judged: {error.what}",))
        figures = SyncFigures(
            offset=score.offset,
            confidence=score.confidence,
            distance=score.distance,
            judge=OWN_JUDGE if self._own is not None else SYNCNET,
        )
        return SyncJudgement(figures=figures)

    def _score(self, watched: Watched, samples_S: Floats) -> SyncScore:
        if self._own is not None:
            return self._own.score(watched.canonical_TN3, samples_S)
        assert self._syncnet is not None
        mesh_TN3 = watched.look.in_picture(pose(watched.canonical_TN3, watched.head_T7))
        frames = islice(read_frames(watched.look.path), len(mesh_TN3))
        return score_syncnet(frames, mesh_TN3, samples_S, network=self._syncnet)
