"""The clips that the shared weights are trained on, and their prepared form on disk."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import yaml


@dataclass(frozen=True, slots=True, kw_only=True)
class CorpusClip:
    """One clip of the corpus.

    Attributes:
        path: below the data folder.
        speaker: who speaks.
        lag: frames by which the sound lags the lips.
        held_out: kept for validation.
    """

    path: str
    speaker: str
    lag: int = 0
    held_out: bool = False

    def folder(self, work: Path) -> Path:
        """Where its prepared tracks lie."""
        return work / "tracks" / Path(self.path).stem


def corpus_clips() -> tuple[CorpusClip, ...]:
    """The shipped corpus list."""
    listed = yaml.safe_load((files("stages.training") / "corpus.yaml").read_text())
    return tuple(CorpusClip(**entry) for entry in listed["clips"])
