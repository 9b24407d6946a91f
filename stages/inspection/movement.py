"""Whether the pictures move when the face is commanded to: every frame against the one before.

Legend: T frames, N points, H/W pixels, 3 = RGB or (x, y, z).
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from stages.inspection.look import face_box

Frame = NDArray[np.uint8]

MOVING_PX: Final = 0.3
"""Commanded movement of a face's points, their mean in px on the 512 canvas, from which a picture must change."""

LEAST_PATH_PX: Final = 3.0
"""Commanded movement over the segment below which the response of the picture is not judged."""

_STEP: Final = 2
"""Every second pixel of every second row is compared: plenty, at a quarter of the time."""

_BLACK: Final = 8
"""A picture whose brightest pixel is darker than this level shows nothing."""


class MovementWatch:
    """Looks at the pictures of one segment, in order."""

    def __init__(self, mesh_TN3: NDArray[np.floating]) -> None:
        """`mesh_TN3` (T, 478, 3) is commanded, px on the 512 canvas."""
        self._mesh_TN3 = mesh_TN3
        self._before_HW3: Frame | None = None
        self._frame = 0
        self._path_px = self._change = 0.0
        self.frozen_frames = self.black_frames = 0

    def look_at(self, frame_HW3: Frame) -> None:
        """Take in the next picture."""
        if int(frame_HW3.max()) < _BLACK:
            self.black_frames += 1
        if self._before_HW3 is not None:
            self._compare(self._before_HW3, frame_HW3)
        self._before_HW3 = frame_HW3
        self._frame += 1

    @property
    def picture_response(self) -> float | None:
        """Grey levels of change per px of commanded movement, over the frames seen; None where they hardly move."""
        return self._change / self._path_px if self._path_px >= LEAST_PATH_PX else None

    def _compare(self, before_HW3: Frame, frame_HW3: Frame) -> None:
        was_N3, is_N3 = self._mesh_TN3[self._frame - 1], self._mesh_TN3[self._frame]
        moved_px = float(np.linalg.norm(is_N3[:, :2] - was_N3[:, :2], axis=-1).mean())
        rows, columns = face_box(is_N3, size=frame_HW3.shape[0])
        box = (slice(rows.start, rows.stop, _STEP), slice(columns.start, columns.stop, _STEP))
        change = float(np.abs(frame_HW3[box].astype(np.int16) - before_HW3[box]).mean())
        self._path_px += moved_px
        self._change += change
        if moved_px >= MOVING_PX and change == 0.0:
            self.frozen_frames += 1
