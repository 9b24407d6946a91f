"""From a decoded frame to the picture that a viewer is meant to see: upright, in the colours of BT.709.

Legend: H, W pixels; 3 = R, G, B.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import IntEnum
from typing import Final, Self, TypeVar, cast

import numpy as np
from av.buffer import Buffer
from av.video.frame import VideoFrame
from av.video.reformatter import ColorPrimaries, Colorspace, ColorTrc, Interpolation
from numpy.typing import NDArray

from stages.video.tone_map import HDR_WHITE, HIGH_RANGES, WIDE_GAMUTS, ToneMap

Frame = NDArray[np.uint8]

# FFmpeg's fast conversion to RGB is 1 to 1.5 levels too dark; this one is right, and the same on every processor.
_EXACT: Final = (
    Interpolation.BICUBIC | Interpolation.FULL_CHR_H_INT | Interpolation.ACCURATE_RND | Interpolation.BITEXACT
)

_KNOWN_MATRICES: Final = frozenset({1, 4, 5, 6, 7, 9})
"""AVColorSpace: what FFmpeg converts."""
_OF_PRIMARIES: Final = 12
"""The matrix that follows from the primaries."""
_BT2020: Final = 9
_UNKNOWN_MATRICES: Final = {
    8: "YCgCo",
    10: "BT.2020 of constant luminance",
    11: "SMPTE 2085",
    13: "of constant luminance",
    14: "ICtCp",
    15: "IPT (Dolby Vision)",
    16: "YCgCo-R",
    17: "YCgCo-R",
}
"""Neither luma nor colour differences are where FFmpeg's conversion looks for them."""
_LARGEST_STANDARD: Final = (1280, 576)
"""A picture of at least this width, or higher, is taken to be in the matrix of HD where nothing says so."""
_TOOTH_LEVELS: Final = 8
_ODD_DEGREES: Final = 1.0
"""An angle of the display matrix that is further from a quarter turn is told."""

Name = TypeVar("Name", bound=IntEnum)


@dataclass(frozen=True, slots=True, kw_only=True)
class Orientation:
    """How stored pictures are brought upright: first transposed, then mirrored.

    Attributes:
        transposed: Rows become columns.
        mirrored: Left becomes right.
        flipped: Top becomes bottom.
        odd_degrees: What is left of the stated angle; it is not undone.
    """

    transposed: bool = False
    mirrored: bool = False
    flipped: bool = False
    odd_degrees: float = 0.0

    @classmethod
    def of(cls, frame: VideoFrame) -> Self | None:
        """What the frame's display matrix says, to the nearest quarter turn, with any mirror; None without one."""
        data = frame.side_data.get("DISPLAYMATRIX")
        if data is None:
            return None
        # A pixel at (x, y) is shown at (a x + c y, b x + d y).
        a, b, _, c, d = (
            float(value) for value in np.frombuffer(bytes(cast(Buffer, data)), dtype=np.int32)[:5]
        )
        return cls._of_matrix(a, b, c, d)

    @classmethod
    def turned(cls, clockwise: float) -> Self:
        """Of a picture that is shown turned clockwise by some degrees."""
        cosine, sine = math.cos(math.radians(clockwise)), math.sin(math.radians(clockwise))
        return cls._of_matrix(cosine, sine, -sine, cosine)

    @classmethod
    def _of_matrix(cls, a: float, b: float, c: float, d: float) -> Self:
        straight = abs(a) + abs(d) >= abs(b) + abs(c)
        mirrored, flipped = (a < 0, d < 0) if straight else (c < 0, b < 0)
        # Where the stored row goes, and where it would go by quarter turns alone.
        across, down = (-1 if mirrored else 1, 0) if straight else (0, -1 if flipped else 1)
        odd = math.atan2(across * b - down * a, across * a + down * b)
        return cls(
            transposed=not straight,
            mirrored=mirrored,
            flipped=flipped,
            odd_degrees=round(math.degrees(odd), 1),
        )

    @property
    def is_odd(self) -> bool:
        """Whether the stated angle is no quarter turn."""
        return abs(self.odd_degrees) > _ODD_DEGREES

    def apply(self, stored_HW3: Frame) -> Frame:
        """The upright picture; not contiguous."""
        picture_HW3 = stored_HW3.swapaxes(0, 1) if self.transposed else stored_HW3
        rows, columns = (
            slice(None, None, -1 if self.flipped else 1),
            slice(None, None, -1 if self.mirrored else 1),
        )
        return picture_HW3[rows, columns]

    def stored_corner(self, *, left: int, top: int, side: int, width: int, height: int) -> tuple[int, int]:
        """Left and top, in a stored picture of `width` x `height`, of a square of the upright one."""
        if self.transposed:
            width, height = height, width
        left = width - left - side if self.mirrored else left
        top = height - top - side if self.flipped else top
        return (top, left) if self.transposed else (left, top)

    def sentence(self) -> str:
        """What was done, for people; empty for a picture that is stored upright."""
        degrees = 90 * self.transposed + 180 * self.flipped
        told = [f"turned by {degrees} degrees clockwise"] if degrees else []
        if self.transposed ^ self.mirrored ^ self.flipped:
            told.append("mirrored")
        if self.is_odd:
            told.append(f"an angle of {self.odd_degrees:.0f} degrees in the metadata was left as it is")
        return " and ".join(told)


class UnknownColoursError(Exception):
    """The picture is kept in colours that cannot be converted; the message names them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendering:
    """How the frames of one clip are made into pictures.

    Attributes:
        orientation: As stored to upright.
        matrix: From luma and colour differences to RGB; None: as the frames say.
        tone_map: To the colours of BT.709; None where they are.
        has_alpha: Whether there is a channel of opacity, which is left out.
        interlaced: Whether frames say that they are two fields.
    """

    orientation: Orientation = Orientation()
    matrix: Colorspace | None = None
    tone_map: ToneMap | None = None
    has_alpha: bool = False
    interlaced: bool = False

    def done(self) -> tuple[str, ...]:
        """What is done to the pictures, each as "turned by 90 degrees"; nothing for ordinary ones."""
        done = [self.orientation.sentence()]
        if self.tone_map is not None:
            done.append(f"brought to BT.709 from {self.tone_map.sentence()}")
        if self.interlaced:
            done.append("deinterlaced")
        if self.has_alpha:
            done.append("taken without its opacity")
        return tuple(each for each in done if each)

    @classmethod
    def of(cls, frame: VideoFrame, *, white: float = HDR_WHITE) -> Self:
        """What a frame says of itself, and `white`, which it does not (see `ToneMap`).

        Raises:
            UnknownColoursError: They cannot be converted.
        """
        transfer = _known(ColorTrc, frame.color_trc, ColorTrc.UNSPECIFIED)
        primaries = _known(ColorPrimaries, frame.color_primaries, ColorPrimaries.UNSPECIFIED)
        if primaries is ColorPrimaries.UNSPECIFIED and (
            transfer in HIGH_RANGES or frame.colorspace == _BT2020
        ):
            primaries = ColorPrimaries.BT2020
        tone_map = None
        if transfer in HIGH_RANGES or primaries in WIDE_GAMUTS:
            if primaries not in WIDE_GAMUTS:
                primaries = ColorPrimaries.BT709
            tone_map = ToneMap(transfer=transfer, primaries=primaries, white=white)
        return cls(
            orientation=Orientation.of(frame) or Orientation(),
            matrix=_matrix(frame, primaries),
            tone_map=tone_map,
            interlaced=frame.interlaced_frame,
            has_alpha=any(component.is_alpha for component in frame.format.components),
        )


def _matrix(frame: VideoFrame, primaries: ColorPrimaries) -> Colorspace | None:
    """The matrix of a frame, None where FFmpeg takes it from the frame; raises UnknownColoursError."""
    if frame.format.is_rgb or frame.colorspace in _KNOWN_MATRICES:
        return None
    if frame.colorspace in _UNKNOWN_MATRICES:
        raise UnknownColoursError(_UNKNOWN_MATRICES[frame.colorspace])
    if frame.colorspace == _OF_PRIMARIES:
        return Colorspace.BT2020 if primaries is ColorPrimaries.BT2020 else Colorspace.ITU709
    # Unspecified, reserved, or said to be RGB's by what is not RGB.
    width, height = _LARGEST_STANDARD
    return Colorspace.ITU709 if frame.width >= width or frame.height > height else Colorspace.ITU601


def _known(kind: type[Name], value: int, otherwise: Name) -> Name:
    """The member of an enumeration that lacks the reserved values of its standard."""
    try:
        return kind(value)
    except ValueError:
        return otherwise


@dataclass(frozen=True, slots=True)
class Picture:
    """A decoded frame, and how it is to be shown: converted when it is asked for, which costs most of the time."""

    frame: VideoFrame
    rendering: Rendering

    def upright(self) -> Frame:
        """(H, W, 3) uint8 RGB as a viewer is meant to see it, contiguous."""
        return np.ascontiguousarray(self.rendering.orientation.apply(self.stored()))

    def stored(self) -> Frame:
        """The same, turned and mirrored as the file has it."""
        tone_map = self.rendering.tone_map
        if tone_map is not None:
            return tone_map.apply(self._wide())
        return np.asarray(self._rgb("rgb24"), dtype=np.uint8)

    def thumbnail(self, *, size: int) -> Frame:
        """Shrunk to (size, size, 3) uint8 RGB, as stored: neither turned upright nor true in its shape and colours."""
        small = self.frame.reformat(
            width=size,
            height=size,
            format="rgb24",
            interpolation=Interpolation.AREA,
            src_colorspace=self.rendering.matrix,
            threads=1,
        )
        return np.asarray(small.to_ndarray(), dtype=np.uint8)

    def combing(self) -> float:
        """The share of its pixels, as stored, in which lines of one moment alternate with lines of another.

        Such a pixel and its neighbours left and right lie above, or below, both lines beside them, the next line lies
        the other way between its own, and lines two apart are alike. Textures have no such rows.
        """
        luma_HW = np.asarray(
            self.frame.to_ndarray(format="gray", src_colorspace=self.rendering.matrix, threads=1),
            dtype=np.int16,
        )
        above, line, below, after = luma_HW[:-3], luma_HW[1:-2], luma_HW[2:-1], luma_HW[3:]
        step = np.minimum(np.abs(line - above), np.abs(line - below))
        apart = np.maximum(np.abs(line - after), np.abs(above - below))
        alternates = ((line - above) * (line - below) > 0) & ((below - line) * (below - after) > 0)
        tooth = np.where(alternates & (step > _TOOTH_LEVELS) & (2 * apart < step), np.sign(line - above), 0)
        middle = tooth[:, 1:-1]
        return float(((middle != 0) & (tooth[:, :-2] == middle) & (tooth[:, 2:] == middle)).mean())

    def brightest(self) -> float:
        """See `ToneMap.brightest`; of a picture that is tone-mapped."""
        assert self.rendering.tone_map is not None
        return self.rendering.tone_map.brightest(self._wide())

    def _wide(self) -> NDArray[np.uint16]:
        return np.asarray(self._rgb("rgb48le"), dtype=np.uint16)

    def _rgb(self, form: str) -> NDArray[np.generic]:
        # FFmpeg would start as many threads as there are cores, anew for every picture, and fail where it may not.
        return self.frame.to_ndarray(
            format=form, interpolation=_EXACT, src_colorspace=self.rendering.matrix, threads=1
        )
