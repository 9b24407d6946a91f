"""What a caller chooses about an evaluation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

Progress = Callable[[str, int, int], None]
"""Called with the name of a step, what is done of it, and how much there is; from several threads."""


class Part(StrEnum):
    """What can be left out of an evaluation; face points are always needed."""

    PICTURES = "pictures"
    NIQE = "niqe"
    SYNC = "sync"
    IDENTITY = "identity"


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

    def __post_init__(self) -> None:
        if self.sample_every < 1 or self.workers < 1:
            raise ValueError("sample_every and workers are at least 1")
