"""Speech without labels for distilling the speech encoder: excerpts of many recordings, each made another voice.

A window is put together from a few excerpts, so that a step hears several voices; every excerpt is drawn, sped up or
slowed down (which moves pitch and formants alike), coloured and placed in a room of its own.

Legend: S samples at 16 kHz.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.signal import resample as resample_by_fourier

from recipes.corpus import corpus_clips
from stages.errors import SpeechError
from stages.payloads import SAMPLE_RATE, SAMPLES_PER_FRAME
from stages.speech.context import CONTEXT_FRAMES
from stages.speech.decode import read_levelled
from stages.training.sound_variety import coloured, in_a_room, noise_below

Floats = NDArray[np.float32]

_SUFFIXES: Final = frozenset({".wav", ".flac", ".mp3", ".mp4", ".mpg", ".avi", ".m4a", ".ogg"})
_SHORTEST_FRAMES: Final = 25


@dataclass(frozen=True, slots=True, kw_only=True)
class Variety:
    """How far excerpts are changed.

    Attributes:
        excerpt_frames: shortest and longest excerpt.
        speed: shortest and longest duration an excerpt is squeezed or stretched to, as a factor.
        tilt_db: standard deviation of the gain at each of a few frequencies.
        level_db: range of an excerpt's peak below full scale.
        reverberant: share of excerpts in a room; `decay_s` is how long its echo takes to fade by 60 dB.
        noisy: share of windows with noise, at a signal-to-noise ratio within `noise_db`.
        silent_start: share of windows that begin with the silence before a recording.
    """

    excerpt_frames: tuple[int, int] = (60, 200)
    speed: tuple[float, float] = (0.8, 1.25)
    tilt_db: float = 4.0
    level_db: tuple[float, float] = (-24.0, -0.5)
    reverberant: float = 0.3
    decay_s: tuple[float, float] = (0.1, 0.5)
    noisy: float = 0.6
    noise_db: tuple[float, float] = (10.0, 40.0)
    silent_start: float = 0.2


class SpeechPool:
    """Recordings in groups that are drawn from by their shares, within a group a recording by its length."""

    def __init__(
        self, groups: Sequence[Sequence[Floats]], *, shares: Sequence[float], variety: Variety
    ) -> None:
        """Raises SpeechError when a group holds nothing long enough."""
        self._variety = variety
        self._groups = [[speech_S for speech_S in group if _is_long_enough(speech_S)] for group in groups]
        if not self._groups or not all(self._groups):
            raise SpeechError(
                code="speech_none",
                where="training speech",
                what=f"a folder has no recording of {_SHORTEST_FRAMES} frames or more",
                hint="name folders of recordings with --speech",
            )
        self._group_shares = np.array(shares) / sum(shares)
        self._shares = []
        for group in self._groups:
            lengths = np.array([len(speech_S) for speech_S in group], dtype=np.float64)
            self._shares.append(lengths / lengths.sum())

    @property
    def seconds(self) -> float:
        """Length of all recordings."""
        return sum(len(speech_S) for group in self._groups for speech_S in group) / SAMPLE_RATE

    def digest(self) -> str:
        """sha256 over what is learned from."""
        digest = hashlib.sha256()
        for group in self._groups:
            for speech_S in group:
                digest.update(np.ascontiguousarray(speech_S).tobytes())
        return digest.hexdigest()

    def window(self, random: np.random.Generator, *, frames: int) -> Floats:
        """(640 frames,) samples in [-1, 1] that no recording holds like this."""
        samples = frames * SAMPLES_PER_FRAME
        shortest, longest = self._variety.excerpt_frames
        parts: list[Floats] = []
        while sum(map(len, parts)) < samples:
            parts.append(self._excerpt(random, frames=int(random.integers(shortest, longest + 1))))
        window_S = np.concatenate(parts)[:samples]
        if random.random() < self._variety.silent_start:
            window_S[: CONTEXT_FRAMES * SAMPLES_PER_FRAME] = 0.0
        if random.random() < self._variety.noisy:
            window_S = window_S + noise_below(
                window_S, random, decibels=random.uniform(*self._variety.noise_db)
            )
        return np.clip(window_S, -1.0, 1.0).astype(np.float32)

    def _excerpt(self, random: np.random.Generator, *, frames: int) -> Floats:
        variety = self._variety
        which = int(random.choice(len(self._groups), p=self._group_shares))
        speech_S = self._groups[which][int(random.choice(len(self._groups[which]), p=self._shares[which]))]
        speed = float(np.exp(random.uniform(*np.log(variety.speed))))
        count = min(len(speech_S), round(frames * speed) * SAMPLES_PER_FRAME)
        start = int(random.integers(len(speech_S) - count + 1))
        target = max(1, round(count / speed / SAMPLES_PER_FRAME)) * SAMPLES_PER_FRAME
        voice_S = resample_by_fourier(speech_S[start : start + count], target)
        if random.random() < variety.reverberant:
            voice_S = in_a_room(voice_S, random, decay_s=random.uniform(*variety.decay_s))
        voice_S = coloured(voice_S, random, decibels=variety.tilt_db)
        peak = float(np.abs(voice_S).max())
        gain = 10 ** (random.uniform(*variety.level_db) / 20)
        louder_S: Floats = (voice_S * (gain / max(peak, 1e-4))).astype(np.float32)
        return louder_S


def read_folder(folder: Path) -> list[Floats]:
    """Every recording below a folder, in the order of their paths.

    Raises SpeechError when a file cannot be read, see `read_levelled`.
    """
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in _SUFFIXES)
    return [read_levelled(path).samples_S for path in paths]


def read_corpus(data: Path) -> tuple[list[Floats], list[Floats]]:
    """The sound of the corpus's clips: of those to learn from, and of held-out speakers.

    Other clips beside them are not touched: whoever measures by them counts on that.
    """
    clips = corpus_clips()
    learned, held_out = (
        [read_levelled(data / clip.path).samples_S for clip in clips if clip.held_out is flag]
        for flag in (False, True)
    )
    return learned, held_out


def _is_long_enough(speech_S: Floats) -> bool:
    return len(speech_S) >= _SHORTEST_FRAMES * SAMPLES_PER_FRAME
