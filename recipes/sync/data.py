"""Prepared clips as the judge is trained and tested on them.

Legend: S samples at 16 kHz, T frames, N points, K lip channels, A sound channels, 3 = (x, y, z).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from recipes.corpus import performer_of
from stages.speech.encoder import SpeechEncoder
from stages.subject.tracks import ClipTracks
from stages.sync.inputs import lip_input, sound_input

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncClip:
    """A prepared clip.

    Attributes:
        name: of its folder.
        speaker: who is seen.
        performer: whose voice and motion it is.
        canonical_TN3: meshes (T, 478, 3) in px.
        speech_S: 16 kHz samples.
        lips_TK: what the judge sees of the meshes.
        sound_TA: what it hears of the samples.
    """

    name: str
    speaker: str
    performer: str
    canonical_TN3: Floats
    speech_S: Floats
    lips_TK: Floats
    sound_TA: Floats

    @property
    def frame_count(self) -> int:
        """Number of frames T."""
        return len(self.lips_TK)


def load_clips(folders: Iterable[Path], encoder: SpeechEncoder) -> list[SyncClip]:
    """Prepared clips with their inputs. Raises SubjectError for a folder that holds none."""
    return [_load(folder, encoder) for folder in folders]


def _load(folder: Path, encoder: SpeechEncoder) -> SyncClip:
    tracks = ClipTracks.load(folder)
    return SyncClip(
        name=folder.name,
        speaker=tracks.facts.speaker,
        performer=performer_of(tracks.facts.speaker),
        canonical_TN3=tracks.canonical_TN3,
        speech_S=tracks.speech_S,
        lips_TK=lip_input(tracks.canonical_TN3),
        sound_TA=sound_input(encoder, tracks.speech_S),
    )


def folds(clips: Sequence[SyncClip], count: int) -> list[set[str]]:
    """Performers in groups of about equally many frames, the same ones for the same clips."""
    frames: dict[str, int] = {}
    for clip in clips:
        frames[clip.performer] = frames.get(clip.performer, 0) + clip.frame_count
    groups: list[set[str]] = [set() for _ in range(count)]
    filled = [0] * count
    for performer in sorted(frames, key=lambda name: (-frames[name], name)):
        emptiest = filled.index(min(filled))
        groups[emptiest].add(performer)
        filled[emptiest] += frames[performer]
    return [group for group in groups if group]
