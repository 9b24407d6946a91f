"""The contact sheet of a take: its stills side by side, each with its time, in one JPEG.

Legend: S side of a still, 3 = RGB.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from stages.encode.stitch import SYNTHETIC_MARK
from stages.errors import EncodeError

Frame = NDArray[np.uint8]

STILLS: Final = 8
"""Stills on a sheet; a speech of fewer frames has one for each."""

_COLUMNS: Final = 4
_STILL_QUALITY: Final = 95
_SHEET_QUALITY: Final = 88
_START_OF_IMAGE: Final = b"\xff\xd8"
_COMMENT: Final = b"\xff\xfe"


def still_frames(frame_count: int) -> tuple[int, ...]:
    """The frames of a speech that are shown: in the middle of equal parts, so the same for all of its takes."""
    count = min(STILLS, frame_count)
    return tuple((2 * place + 1) * frame_count // (2 * count) for place in range(count))


def still_as_jpeg(still_SS3: Frame) -> bytes:
    """A still as it is kept until its sheet is made; (S, S, 3) uint8 RGB."""
    return _jpeg(still_SS3, quality=_STILL_QUALITY)


def contact_sheet(stills: Sequence[bytes], *, frames: Sequence[int], fps: Fraction) -> bytes:
    """The sheet.

    Args:
        stills: As `still_as_jpeg` made them, in order.
        frames: The frame of each.
        fps: Frames per second.

    Raises:
        EncodeError: A still is damaged (``encode_bad_still``).
    """
    tiles = [
        _with_time(_opened(data), seconds=float(frame / fps))
        for data, frame in zip(stills, frames, strict=True)
    ]
    columns = min(_COLUMNS, len(tiles))
    empty_SS3 = np.zeros_like(tiles[0])
    tiles += [empty_SS3] * (-len(tiles) % columns)
    rows = [np.concatenate(tiles[first : first + columns], axis=1) for first in range(0, len(tiles), columns)]
    data = _jpeg(np.concatenate(rows), quality=_SHEET_QUALITY)
    # OpenCV writes no comment of its own.
    mark = SYNTHETIC_MARK.encode("ascii")
    comment = _COMMENT + (len(mark) + 2).to_bytes(2, "big") + mark
    return data[: len(_START_OF_IMAGE)] + comment + data[len(_START_OF_IMAGE) :]


def _opened(data: bytes) -> Frame:
    found = cv2.imdecode(np.frombuffer(data, dtype=np.uint8), cv2.IMREAD_COLOR_RGB)
    if found is None or found.ndim != 3 or found.shape[0] != found.shape[1]:
        raise EncodeError(
            code="encode_bad_still",
            what="a still of the contact sheet is damaged",
            hint="submit the job again: its takes are sketched anew",
        )
    return np.asarray(found, dtype=np.uint8)


def _with_time(still_SS3: Frame, *, seconds: float) -> Frame:
    text = f"{int(seconds) // 60}:{seconds % 60:04.1f}"
    corner = (8, still_SS3.shape[0] - 8)
    for colour, width in (((0, 0, 0), 3), ((255, 255, 255), 1)):
        cv2.putText(still_SS3, text, corner, cv2.FONT_HERSHEY_SIMPLEX, 0.5, colour, width, cv2.LINE_AA)
    return still_SS3


def _jpeg(picture_HW3: Frame, *, quality: int) -> bytes:
    _, data = cv2.imencode(
        ".jpg", cv2.cvtColor(picture_HW3, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality]
    )
    return data.tobytes()
