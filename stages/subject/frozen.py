"""How much the picture of a clip changes from frame to frame, and where it stands still.

Legend: T frames, H/W pixels, 3 = RGB.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import median_filter

from stages.media.account import Stretches
from stages.payloads import FRAMES_PER_SECOND
from stages.video.pixels import Picture
from stages.video.timing import ClipNotes
from stages.video.unfit import Unfit, UnfitFrames, fit_runs, joined

_TINY: Final = 32
_STILL_SHARE: Final = 0.5
_STILL_LEVELS: Final = (0.2, 0.6)
"""A picture stands still while it is nearer to the first one than half the clip's usual change from frame to frame,
within these limits, in levels: in 130 clips of people who talk and listen never for more than seven frames."""

_FROZEN_FRAMES: Final = 7
"""Frames that may show the same: recordings of 4 frames a second repeat each six times."""

_AROUND: Final = 9
_REPEATED_SHARE: Final = 0.12
_REPEATED_LEVELS: Final = 0.3
_MOVING_LEVELS: Final = 0.2
"""A picture shows the one before again where it changes by less than this share of the usual change of the nine
recorded pictures around it, by no more than encoders refine a picture, and if what is usual is as large as this: below,
nothing can be told."""


class PictureChanges:
    """Takes the pictures of one clip in order, and keeps a tiny copy of each."""

    def __init__(self) -> None:
        self._tiny: list[NDArray[np.uint8]] = []
        self._changes: list[float] = []
        self._recorded: list[bool] = []
        self._last: Picture | None = None

    def add(self, picture: Picture) -> None:
        """The next picture."""
        # One that fills two places of the time grid is the same object.
        self._recorded.append(picture is not self._last)
        self._last = picture
        self._tiny.append(picture.thumbnail(size=_TINY))
        self._changes.append(_change(*self._tiny[-2:]) if self._changes else 0.0)

    @property
    def changes_T(self) -> NDArray[np.float64]:
        """Mean change (T,) of a colour from the frame before, in levels of 255."""
        return np.array(self._changes)

    def note_repeated(self, notes: ClipNotes) -> None:
        """Add to what is known of the clip which recorded pictures show the one before them again."""
        recorded = np.flatnonzero(self._recorded)
        again = recorded[find_repeated(self.changes_T[recorded])]
        spans = [UnfitFrames(start=int(frame), stop=int(frame) + 1, reason=Unfit.FROZEN) for frame in again]
        notes.account = replace(notes.account, repeated=_stretches(spans))

    def note_frozen(self, notes: ClipNotes) -> None:
        """Add to what is known of the clip where it stands still."""
        # Where pictures are missing the last one stands still, too, which is told as what it is.
        frozen = [
            replace(span, start=run.start, stop=run.stop)
            for span in find_frozen(self._tiny, self.changes_T)
            for run in fit_runs(notes.unfit, start=span.start, stop=span.stop)
        ]
        notes.unfit = joined([*notes.unfit, *frozen])
        notes.account = replace(notes.account, frozen=_stretches(frozen))


def find_repeated(changes_T: NDArray[np.float64]) -> NDArray[np.int64]:
    """Pictures, among recorded ones with such changes (T,) to the one before, that show that one again amid motion."""
    if len(changes_T) < 2:
        return np.zeros(0, dtype=np.int64)
    around_T = median_filter(changes_T[1:], _AROUND, mode="nearest")
    most_T = np.minimum(_REPEATED_SHARE * around_T, _REPEATED_LEVELS)
    is_again_T = (changes_T[1:] < most_T) & (around_T > _MOVING_LEVELS)
    return 1 + np.flatnonzero(is_again_T)


def find_frozen(
    tiny_THW3: Sequence[NDArray[np.uint8]], changes_T: NDArray[np.float64]
) -> tuple[UnfitFrames, ...]:
    """Frames that show an earlier picture for longer than in a slow recording.

    Args:
        tiny_THW3: the frames, shrunk.
        changes_T: mean change of each to the frame before.
    """
    if not len(changes_T):
        return ()
    # Encoders go on refining a picture that stands still, but stay near it; who hardly moves leaves it in the end.
    level = float(np.clip(_STILL_SHARE * np.median(changes_T), *_STILL_LEVELS))
    frozen: list[UnfitFrames] = []
    first = 0
    for frame in range(1, len(tiny_THW3) + 1):
        if frame < len(tiny_THW3) and _change(tiny_THW3[frame], tiny_THW3[first]) < level:
            continue
        if frame - first > _FROZEN_FRAMES:
            frozen.append(UnfitFrames(start=first + 1, stop=frame, reason=Unfit.FROZEN))
        first = frame
    return tuple(frozen)


def _stretches(spans: Sequence[UnfitFrames]) -> Stretches:
    stretches = Stretches()
    for span in spans:
        length = Fraction(span.stop - span.start, FRAMES_PER_SECOND)
        stretches = stretches.with_one(Fraction(span.start, FRAMES_PER_SECOND), length)
    return stretches


def _change(one_HW3: NDArray[np.uint8], other_HW3: NDArray[np.uint8]) -> float:
    return float(np.abs(one_HW3.astype(np.float32) - other_HW3).mean())
