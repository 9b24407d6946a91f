"""The clips that the shared weights are trained on and measured by, and their prepared form on disk."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
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
        performer: whose voice and motion it is, where that is not the speaker.
        language: what is spoken, where it is known.
    """

    path: str
    speaker: str
    lag: float = 0.0
    held_out: bool = False
    performer: str = ""
    language: str = ""

    def folder(self, work: Path) -> Path:
        """Where its prepared tracks lie."""
        return work / "tracks" / Path(self.path).stem


@cache
def corpus_clips() -> tuple[CorpusClip, ...]:
    """The corpus list beside this file."""
    return listed_clips(Path(__file__).with_name("corpus.yaml"))


def study_clips() -> tuple[CorpusClip, ...]:
    """Clips that measure what was trained and chosen on the corpus, of speakers whom it has not."""
    return listed_clips(Path(__file__).with_name("study.yaml"))


def performer_of(speaker: str) -> str:
    """The speaker, or for a digital actor of the corpus the one whose performance it shows."""
    performers = {clip.speaker: clip.performer for clip in corpus_clips() if clip.performer}
    return performers.get(speaker, speaker)


def listed_clips(path: Path) -> tuple[CorpusClip, ...]:
    """The clips of a list in the form of the corpus's."""
    listed = yaml.safe_load(path.read_text())
    return tuple(CorpusClip(**entry) for entry in listed["clips"])


def load_motion_clips(work: Path, encoder: SpeechEncoder, *, held_out: bool) -> list[MotionClip]:
    """The corpus's prepared clips, those for training or those held out."""
    return [
        motion_clip(entry.folder(work), encoder) for entry in corpus_clips() if entry.held_out is held_out
    ]


def load_study_clips(work: Path, encoder: SpeechEncoder) -> list[MotionClip]:
    """The prepared clips of the study."""
    return [motion_clip(entry.folder(work), encoder) for entry in study_clips()]
