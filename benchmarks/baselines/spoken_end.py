"""The end of a prepared clip, which no training saw: what baselines are made of and measured against.

Legend: T frames of the end, N points, H/W pixels, 3 = (x, y, z) or RGB.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from stages.payloads import SAMPLES_PER_FRAME, Motion
from stages.subject.frames import clip_frames
from stages.subject.template import Template
from stages.subject.tracks import ClipTracks
from stages.training.split import training_frames


@dataclass(frozen=True, slots=True, kw_only=True)
class SpokenEnd:
    """A clip, cut where its training ended.

    Attributes:
        folder: of the prepared clip.
        seen: tracks of the frames that training saw.
        tracks: of the T frames after them.
        template: mean of the frames seen.
    """

    folder: Path
    seen: ClipTracks
    tracks: ClipTracks
    template: Template

    @classmethod
    def of(cls, folder: Path) -> Self:
        """Cut a clip. Raises SubjectError (``clip_not_prepared``) when there is none in the folder."""
        tracks = ClipTracks.load(folder)
        stop = tracks.facts.trained_frames or training_frames(tracks.frame_count)
        seen = _cut(tracks, 0, stop)
        return cls(
            folder=folder,
            seen=seen,
            tracks=_cut(tracks, stop, tracks.frame_count),
            template=Template.from_clips([seen]),
        )

    @property
    def frame_count(self) -> int:
        """Number of frames T."""
        return self.tracks.frame_count

    @property
    def motion(self) -> Motion:
        """The true motion of the T frames."""
        return self.template.displacements(self.tracks)

    def pictures(self, *, size: int) -> Iterator[NDArray[np.uint8]]:
        """The T recorded frames, (size, size, 3) uint8."""
        first = self.seen.frame_count
        return (
            np.asarray(frame_HW3)
            for frame_HW3 in islice(clip_frames(self.folder, size=size), first, first + self.frame_count)
        )


def _cut(tracks: ClipTracks, start: int, stop: int) -> ClipTracks:
    return replace(
        tracks,
        canonical_TN3=tracks.canonical_TN3[start:stop],
        head_T7=tracks.head_T7[start:stop],
        torso_TN3=tracks.torso_TN3[start:stop],
        speech_S=tracks.speech_S[start * SAMPLES_PER_FRAME : stop * SAMPLES_PER_FRAME],
    )
