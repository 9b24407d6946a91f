"""A segment that was never rendered, as a picture that stands still: the nearest one there is, of a neighbour.

The neighbour's decoded planes go to the encoder as they are: no conversion to RGB and back, whose last bit differs
between processors.
"""

from __future__ import annotations

import io
from fractions import Fraction
from itertools import repeat
from typing import Literal

import av
import numpy as np
from numpy.typing import NDArray

from stages.encode.profile import VideoProfile
from stages.encode.segment import encode_planes
from stages.errors import EncodeError

Planes = NDArray[np.uint8]


def still_segment(
    neighbour: bytes,
    *,
    shows: Literal["first", "last"],
    frame_count: int,
    fps: Fraction,
    profile: VideoProfile,
) -> bytes:
    """A segment in which one frame of its neighbour stands still.

    It joins with the others as every segment does. Equal neighbours give equal bytes. What is decoded is within a few
    of 255 levels of the neighbour's frame, and stays as close to it from frame to frame.

    Args:
        neighbour: A segment as `encode_segment` made it, with the same profile and rate.
        shows: Which of its frames.
        frame_count: Frames of the new segment, at least 1.
        fps: Frames per second.
        profile: Encoder settings.

    Raises:
        EncodeError: The neighbour is no segment of this profile (``encode_bad_segment``), or nothing is asked for
            (``encode_no_frames``).
    """
    planes = _planes_of(neighbour, shows=shows, profile=profile)
    return encode_planes(repeat(planes, frame_count), fps=fps, profile=profile)


def _planes_of(segment: bytes, *, shows: Literal["first", "last"], profile: VideoProfile) -> Planes:
    """One frame, (3 size / 2, size) uint8."""
    planes: Planes | None = None
    try:
        with av.open(io.BytesIO(segment), mode="r", format="mp4") as container:
            for frame in container.decode(container.streams.video[0]):
                if (frame.width, frame.height, frame.format.name) != (
                    profile.size,
                    profile.size,
                    profile.pixel_format,
                ):
                    raise _bad_segment(f"its picture is {frame.width}x{frame.height} {frame.format.name}")
                planes = np.asarray(frame.to_ndarray(), dtype=np.uint8)
                if shows == "first":
                    break
    except (av.FFmpegError, IndexError) as error:
        raise _bad_segment(f"it cannot be decoded: {error}") from error
    if planes is None:
        raise _bad_segment("it holds no frames")
    return planes


def _bad_segment(what: str) -> EncodeError:
    return EncodeError(
        code="encode_bad_segment",
        what=f"a segment beside a gap is not usable: {what}",
        hint="render it again",
    )
