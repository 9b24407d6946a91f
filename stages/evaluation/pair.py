"""A generated video against its reference: every measure, from two files."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from stages.evaluation.figures import Evaluation, Part

Progress = Callable[[str, int, int], None]
"""Called with the name of a step, what is done of it, and how much there is; from several threads."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationOptions:
    """How to evaluate.

    Attributes:
        parts: what to measure.
        sample_every: NIQE is measured on every so many frames.
        workers: threads that work side by side.
        syncnet: folder with SyncNet's weights, to judge sync by it; None: our own judge.
    """

    parts: frozenset[Part] = frozenset(Part)
    sample_every: int = 5
    workers: int = 2
    syncnet: Path | None = None


def evaluate_pair(
    generated: Path,
    reference: Path,
    *,
    speech: Path | None = None,
    options: EvaluationOptions | None = None,
    progress: Progress | None = None,
) -> Evaluation:
    """Judge a generated video.

    Args:
        generated: any system's video.
        reference: the true one, of the same speech from the same moment on.
        speech: the sound to judge sync by; each video's own where it is not given.
        options: what to measure, and how.
        progress: told how far each step is.

    Raises:
        SubjectError: a video cannot be read (``clip.not-found``, ``clip.not-media``, ``clip.no-picture``), or there
            is no face in it (``clip.no-face``).
        SpeechError: the speech cannot be read.
        WeightsError: a model file is not installed, or altered.
    """
    raise NotImplementedError
