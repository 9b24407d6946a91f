"""How far a warped reference lies beside a frame: dense optical flow, and what most of it has in common.

Legend: I, J points, T frames, H/W pixels, 2 = (x, y). Points are px on the 512 canvas, pictures are grey, 512 px.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Self

import cv2
import numpy as np
from numpy.typing import NDArray

Grey = NDArray[np.uint8]
Floats = NDArray[np.float32]
Points = NDArray[np.floating]

FACE_POINTS: Final = np.array(
    [
        *(
            10,
            109,
            338,
            67,
            297,
            151,
            9,
            8,
            168,
            6,
            197,
            195,
            5,
            4,
            1,
            33,
            133,
            263,
            362,
            50,
            280,
            117,
            346,
            107,
        ),
        *(
            336,
            108,
            337,
            69,
            299,
            104,
            333,
            118,
            347,
            101,
            330,
            36,
            266,
            205,
            425,
            187,
            411,
            123,
            352,
            116,
            345,
        ),
        *(143, 372, 156, 383, 139, 368, 71, 301, 21, 251, 54, 284),
    ]
)
"""Vertices of forehead, temples, nose and cheeks: where the face's common shift is read."""

_MARGIN_PX: Final = 12
_MEAN_OVER_PX: Final = 11
_LEAST_SIDE: Final = 32
_LOOKED_AT: Final = 24
"""Frames of a clip at which a refinement is held against what was before: as many as tell a median apart."""


def frames_looked_at(frame_count: int) -> NDArray[np.int64]:
    """Indices of frames spread over a clip."""
    return np.unique(np.linspace(0, frame_count - 1, min(_LOOKED_AT, frame_count)).round().astype(np.int64))


def grey(frame_HW3: NDArray[np.uint8]) -> Grey:
    """The luma (H, W) of an RGB frame."""
    return np.asarray(cv2.cvtColor(np.ascontiguousarray(frame_HW3), cv2.COLOR_RGB2GRAY))


class DenseFlow:
    """Optical flow between grey pictures; keeps its buffers."""

    def __init__(self, *, quick: bool = False) -> None:
        """A `quick` one serves where its answer is checked by another look."""
        presets = cv2.DISOPTICAL_FLOW_PRESET_MEDIUM, cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST
        self._flow = cv2.DISOpticalFlow.create(presets[quick])
        # The quick preset's own finest level is one coarser, and leaves twice the error.
        self._flow.setFinestScale(1)

    def between(self, first_HW: Grey, second_HW: Grey) -> Floats:
        """(H, W, 2) px: what is at a place of the first is so much further right and down in the second."""
        one_HW, other_HW = np.ascontiguousarray(first_HW), np.ascontiguousarray(second_HW)
        begin_HW2 = np.zeros((*one_HW.shape, 2), dtype=np.float32)
        return np.asarray(self._flow.calc(one_HW, other_HW, begin_HW2), dtype=np.float32)


class ResidualMeter:
    """Measures shifts between pictures."""

    def __init__(self) -> None:
        self._flow = DenseFlow()

    def shift(self, warped_HW: Grey, frame_HW: Grey, *, at_I2: Points, around_J2: Points) -> float | None:
        """Length in px of the median motion that brings a warped reference onto a frame.

        Args:
            warped_HW: the reference, moved to where the frame's points are.
            frame_HW: the frame.
            at_I2: points at which the motion is read.
            around_J2: points around all of which it is looked for.

        Returns:
            None where that leaves too little of the picture to compare.
        """
        whole_2 = frame_HW.shape[::-1]
        low_2 = np.clip(np.floor(around_J2.min(axis=0)).astype(int) - _MARGIN_PX, 0, whole_2)
        high_2 = np.clip(np.ceil(around_J2.max(axis=0)).astype(int) + _MARGIN_PX, 0, whole_2)
        if (high_2 - low_2 < _LEAST_SIDE).any():
            return None
        box = slice(low_2[1], high_2[1]), slice(low_2[0], high_2[0])
        flow_HW2 = cv2.blur(self._flow.between(frame_HW[box], warped_HW[box]), (_MEAN_OVER_PX, _MEAN_OVER_PX))
        nearest_I2 = np.round(at_I2 - low_2 - 0.5).astype(int)
        x_I, y_I = np.clip(nearest_I2, 0, high_2 - low_2 - 1).T
        return float(np.linalg.norm(np.median(flow_HW2[y_I, x_I], axis=0)))


@dataclass(frozen=True, slots=True, kw_only=True)
class RefinementAccount:
    """What a refinement came to.

    Attributes:
        frames: how many there were.
        refined: how many were corrected by their own picture.
        dropped: how many were not, since it made things worse or could not be: they follow their neighbours, or stay
            as they were tracked where nothing was refined.
        shift_before_px: median over the frames looked at of the shift that tracked motion leaves between warped
            reference and frame; None where there was nothing to look at.
        shift_after_px: the same with what is kept.
    """

    frames: int
    refined: int
    dropped: int
    shift_before_px: float | None
    shift_after_px: float | None

    @classmethod
    def of(
        cls, *, fits_T: NDArray[np.bool_], before: Sequence[float | None], after: Sequence[float | None]
    ) -> Self:
        """From whether each frame fitted, and the shifts of the frames looked at; worse in the median refines none."""
        pairs = [
            (one, other)
            for one, other in zip(before, after, strict=True)
            if one is not None and other is not None
        ]
        shifts_2 = np.median(np.array(pairs), axis=0) if pairs else None
        is_better = bool(fits_T.any()) and (shifts_2 is None or bool(shifts_2[1] <= shifts_2[0]))
        refined = int(fits_T.sum()) if is_better else 0
        return cls(
            frames=len(fits_T),
            refined=refined,
            dropped=len(fits_T) - refined,
            shift_before_px=None if shifts_2 is None else float(shifts_2[0]),
            shift_after_px=None if shifts_2 is None else float(shifts_2[1 if is_better else 0]),
        )


def follow_neighbours(track_TD: NDArray[np.float64], fits_T: NDArray[np.bool_]) -> NDArray[np.float64]:
    """A track (T, D) whose frames that do not fit lie on the line between those before and after that do."""
    frames_T = np.arange(len(track_TD))
    return np.stack(
        [np.interp(frames_T, frames_T[fits_T], channel_T[fits_T]) for channel_T in track_TD.T], axis=-1
    )
