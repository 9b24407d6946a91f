"""The clips that the shared weights are trained on, and their prepared form on disk."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import yaml

from stages.speech.encoder import SpeechEncoder
from stages.training.motion_data import MotionClip, motion_clip


@dataclass(frozen=True, slots=True, kw_only=True)
class CorpusClip:
    """One clip of the corpus.

    Attributes:
        path: below the data folder.
        speaker: who speaks.
        lag: frames by which the sound lags the lips, in parts of one.
        held_out: kept for validation.
    """

    path: str
    speaker: str
    lag: float = 0.0
    held_out: bool = False

    def folder(self, work: Path) -> Path:
        """Where its prepared tracks lie."""
        return work / "tracks" / Path(self.path).stem


def corpus_clips() -> tuple[CorpusClip, ...]:
    """The corpus list beside this file."""
    return listed_clips(Path(__file__).with_name("corpus.yaml"))


def listed_clips(path: Path) -> tuple[CorpusClip, ...]:
    """The clips of a list in the form of the corpus's."""
    listed = yaml.safe_load(path.read_text())
    return tuple(CorpusClip(**entry) for entry in listed["clips"])


def load_motion_clips(work: Path, encoder: SpeechEncoder, *, held_out: bool) -> list[MotionClip]:
    """The corpus's prepared clips, those for training or those held out."""
    return [
        motion_clip(entry.folder(work), encoder) for entry in corpus_clips() if entry.held_out is held_out
    ]
