"""The word DRAFT on pictures that are not to be shown as finished: quiet, and legible on light and on dark.

Legend: H, W pixels; S side of the picture; 3 = R, G, B.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

Frame = NDArray[np.uint8]

DRAFT_MARK: Final = "draft-1"
"""What the mark looks like, for keys of pictures that carry it: change it with the look."""

_WORD: Final = "DRAFT"
_DRAWN_PX: Final = 1024
"""The mark is drawn on a square of this side, and averaged down: the same at every profile."""

_HEIGHT: Final = 0.055
_MARGIN: Final = 0.045
"""Of the letters and around them, as a share of the picture's side."""

_STROKE_PX: Final = 9
_HALO_PX: Final = 13
_LETTERS: Final = 0.85
_HALO: Final = 0.72
"""How much of a pixel is the mark's own: of the white letters, and of the dark halo that sets them off from light."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftMark:
    """The mark for pictures of one size.

    Attributes:
        rows: Of the picture that it lies in.
        kept_HW1: How much of the picture stays there, of 256.
        added_HW1: What is added to that, 0 to 255.
    """

    rows: slice
    kept_HW1: NDArray[np.uint16]
    added_HW1: NDArray[np.uint16]

    @classmethod
    def of(cls, size: int) -> Self:
        """The mark for pictures (size, size, 3)."""
        # Imported here: whoever only encodes needs no OpenCV.
        import cv2

        font, margin = cv2.FONT_HERSHEY_SIMPLEX, round(_MARGIN * _DRAWN_PX)
        scale = cv2.getFontScaleFromHeight(font, round(_HEIGHT * _DRAWN_PX), _STROKE_PX)
        letters_SS = np.zeros((_DRAWN_PX, _DRAWN_PX), dtype=np.uint8)
        place = (margin, margin + round(_HEIGHT * _DRAWN_PX))
        cv2.putText(letters_SS, _WORD, place, font, scale, 255, _STROKE_PX, cv2.LINE_AA)
        brush = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (_HALO_PX, _HALO_PX))
        halo_SS = cv2.GaussianBlur(cv2.dilate(letters_SS, brush), (0, 0), _HALO_PX / 3)
        shares = [
            cv2.resize(each_SS.astype(np.float32) / 255, (size, size), interpolation=cv2.INTER_AREA)
            for each_SS in (letters_SS, halo_SS)
        ]
        letters, halo = shares[0] * _LETTERS, shares[1] * _HALO
        touched = np.flatnonzero(halo.max(axis=1) > 0)
        rows = slice(int(touched[0]), int(touched[-1]) + 1)
        kept = np.round(256 * (1 - halo) * (1 - letters))[rows, :, None].astype(np.uint16)
        return cls(
            rows=rows, kept_HW1=kept, added_HW1=np.round(255 * letters)[rows, :, None].astype(np.uint16)
        )

    def on(self, frame_SS3: Frame) -> Frame:
        """A copy of a picture with the mark."""
        marked_SS3 = frame_SS3.copy()
        under_HW3 = frame_SS3[self.rows].astype(np.uint16)
        over_HW3 = ((under_HW3 * self.kept_HW1) >> 8) + self.added_HW1
        marked_SS3[self.rows] = np.minimum(over_HW3, 255).astype(np.uint8)
        return marked_SS3


def marked(frames_SS3: Iterable[Frame], *, size: int) -> Iterator[Frame]:
    """Pictures (size, size, 3) with the mark, one at a time."""
    mark = DraftMark.of(size)
    for frame_SS3 in frames_SS3:
        yield mark.on(frame_SS3)
