"""The offset search that every judge of lip-sync shares, and its score.

Legend: T frames, E embedding width, O offsets.

The definitions are those of SyncNet's evaluation as Wav2Lip uses it (MODA section 10): d(o) is the mean distance of
the embeddings of the lips at t and of the sound at t + o; LSE-D is min d, LSE-C is median d - min d.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from stages.errors import SpeechError

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]

LONGEST_OFFSET: Final = 15
"""Frames: 0.6 s to either side are searched."""

LEAST_FRAMES: Final = 50
"""Two seconds: at the longest offset 35 frames are still compared."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncScore:
    """How lips and sound fit.

    Attributes:
        offset: frames of 40 ms by which the sound lags the lips, -15 to 15; negative: leads.
        confidence: median minus minimum over the offsets of the mean distance, as LSE-C.
        distance: the minimum, as LSE-D.
        by_offset: the mean distance at every offset from -15 to 15.
        by_frame: the distance of every frame of the lips to its sound at the offset found; shorter than the clip by
            the offset.
    """

    offset: int
    confidence: float
    distance: float
    by_offset: tuple[float, ...]
    by_frame: tuple[float, ...]


def check_length(frames: int) -> None:
    """Raises SpeechError (``sync_too_short``) for fewer frames than a score needs."""
    if frames < LEAST_FRAMES:
        raise SpeechError(
            code="sync_too_short",
            where="lips and speech",
            what=f"{frames} frames are common to both, {LEAST_FRAMES} are the least that can be judged",
            hint="judge two seconds or more",
        )


def score_embeddings(sound_TE: Floats, lips_TE: Floats, *, zeros_beyond: bool = False) -> SyncScore:
    """Search the offset at which sound and lips (T, E) are nearest.

    Args:
        sound_TE: embeddings of the sound of each frame.
        lips_TE: embeddings of the lips of each frame.
        zeros_beyond: hold lips whose sound would lie outside the recording against zeros, as SyncNet's evaluation
            does, instead of leaving them out.

    Raises SpeechError (``sync_too_short``) when they share fewer than 50 frames.
    """
    frames = min(len(sound_TE), len(lips_TE))
    check_length(frames)
    offsets = range(-LONGEST_OFFSET, LONGEST_OFFSET + 1)
    sound_TE, lips_TE = sound_TE[:frames], lips_TE[:frames]
    compare = _distances_to_zeros if zeros_beyond else _distances
    by_frame = [compare(sound_TE, lips_TE, offset) for offset in offsets]
    by_offset_O = np.array([distances.mean() for distances in by_frame])
    best = int(by_offset_O.argmin())
    return SyncScore(
        offset=offsets[best],
        confidence=float(np.median(by_offset_O) - by_offset_O[best]),
        distance=float(by_offset_O[best]),
        by_offset=tuple(float(distance) for distance in by_offset_O),
        by_frame=tuple(float(distance) for distance in by_frame[best]),
    )


def _distances(sound_TE: Floats, lips_TE: Floats, offset: int) -> Doubles:
    later_TE = sound_TE[max(0, offset) : len(sound_TE) + min(0, offset)]
    seen_TE = lips_TE[max(0, -offset) : len(lips_TE) - max(0, offset)]
    return np.asarray(np.linalg.norm(later_TE - seen_TE, axis=-1), dtype=np.float64)


def _distances_to_zeros(sound_TE: Floats, lips_TE: Floats, offset: int) -> Doubles:
    padded_TE = np.pad(sound_TE, ((LONGEST_OFFSET, LONGEST_OFFSET), (0, 0)))
    start = LONGEST_OFFSET + offset
    return np.asarray(
        np.linalg.norm(padded_TE[start : start + len(lips_TE)] - lips_TE, axis=-1), dtype=np.float64
    )
