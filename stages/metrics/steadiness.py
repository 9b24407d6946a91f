"""What goes wrong with a picture over time: flicker, freezing, blackness. Legend: H/W pixels, 3 = RGB."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

Frame = NDArray[np.uint8]
Box = tuple[slice, slice]
"""(rows, columns)."""

_MARGIN: Final = 0.25
"""Hair and chin move with the face: its box is enlarged by this share of its sides."""

_LEAST_OUTSIDE: Final = 0.1
"""Share of the picture beside the face below which nothing is said about it."""

_FROZEN_LEVELS: Final = 0.05
_BLACK_LEVEL: Final = 26
_BLACK_SHARE: Final = 0.98
"""FFmpeg's blackdetect counts so: 98 % of the pixels in the darkest tenth."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SteadinessFigures:
    """Figures of one video.

    Attributes:
        flicker: mean absolute second difference in time of the luma beside the face, in levels of 255: motion that goes
            on leaves little of it, a pixel that goes up and down its whole step, twice. None where the face fills the
            picture, or there are not three frames.
        frozen_share: share of the steps from frame to frame in which the luma changes by less than 0.05 levels.
        black_share: share of frames of which 98 % are darker than a tenth of full scale.
    """

    flicker: float | None
    frozen_share: float
    black_share: float


class Steadiness:
    """Takes the frames of one video in order."""

    def __init__(self) -> None:
        self._lumas: list[NDArray[np.int16]] = []
        self._faces: list[Box] = []
        self._frames = self._frozen = self._black = self._flicker_frames = 0
        self._flicker = 0.0

    def add(self, frame_HW3: Frame, face: Box) -> None:
        """The next frame, and the box of its face."""
        luma_HW = cv2.cvtColor(frame_HW3, cv2.COLOR_RGB2GRAY)
        self._frames += 1
        self._black += bool((luma_HW < _BLACK_LEVEL).mean() >= _BLACK_SHARE)
        self._lumas = [*self._lumas[-2:], luma_HW.astype(np.int16)]
        self._faces = [*self._faces[-2:], face]
        if len(self._lumas) > 1:
            self._frozen += bool(np.abs(self._lumas[-1] - self._lumas[-2]).mean() < _FROZEN_LEVELS)
        if len(self._lumas) == 3:
            self._add_flicker()

    def figures(self) -> SteadinessFigures:
        """Of the frames so far; at least one is needed."""
        return SteadinessFigures(
            flicker=self._flicker / self._flicker_frames if self._flicker_frames else None,
            frozen_share=self._frozen / max(1, self._frames - 1),
            black_share=self._black / self._frames,
        )

    def _add_flicker(self) -> None:
        first_HW, middle_HW, last_HW = self._lumas
        bent_HW = np.abs(last_HW - 2 * middle_HW + first_HW)
        inside = bent_HW[_around(self._faces, bent_HW.shape)]
        outside = bent_HW.size - inside.size
        if outside >= _LEAST_OUTSIDE * bent_HW.size:
            total = int(bent_HW.sum(dtype=np.int64)) - int(inside.sum(dtype=np.int64))
            self._flicker += total / outside
            self._flicker_frames += 1


def _around(faces: list[Box], shape: tuple[int, ...]) -> Box:
    """The box around several faces, with its margin."""
    rows, columns = (
        _widened(min(face[axis].start for face in faces), max(face[axis].stop for face in faces), shape[axis])
        for axis in (0, 1)
    )
    return rows, columns


def _widened(start: int, stop: int, size: int) -> slice:
    margin = int(_MARGIN * (stop - start))
    return slice(max(0, start - margin), min(size, stop + margin))
