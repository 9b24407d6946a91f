"""The coded pictures of a committed segment, as they go into a master or a stream: renumbered, never encoded again."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction

import av
from av.container import InputContainer
from av.packet import Packet
from av.video.stream import VideoStream

from stages.errors import EncodeError


@contextmanager
def opened_segment(data: bytes) -> Iterator[tuple[InputContainer, VideoStream]]:
    """A segment's stream of pictures, for the length of a block.

    Raises:
        EncodeError: It is no segment (``encode_bad_segment``).
    """
    try:
        segment = av.open(io.BytesIO(data), mode="r", format="mp4")
    except av.FFmpegError as error:
        raise bad_segment(f"it cannot be opened: {error}") from error
    with segment:
        if len(segment.streams) != 1 or not segment.streams.video:
            raise bad_segment("it is not one stream of video")
        yield segment, segment.streams.video[0]


def coded_pictures(
    segment: InputContainer, stream: VideoStream, *, first: int, fps: Fraction
) -> Iterator[Packet[VideoStream]]:
    """The coded pictures of one segment, renumbered to start at frame `first`, in units of 1 / fps.

    Raises:
        EncodeError: They are not what `encode_segment` makes (``encode_bad_segment``).
    """
    count = 0
    for packet in segment.demux(stream):
        if packet.pts is None:  # the empty packet that ends the stream
            continue
        if packet.pts != packet.dts or packet.pts * Fraction(packet.time_base) != count / fps:
            raise bad_segment(f"its frame {count} does not lie at {count}/{fps} s")
        if count == 0 and not packet.is_keyframe:
            raise bad_segment("it does not open with a key frame")
        packet.time_base = 1 / fps
        packet.pts = packet.dts = first + count
        packet.duration = 1
        yield packet
        count += 1
    if count == 0:
        raise bad_segment("it holds no frames")


def bad_segment(what: str) -> EncodeError:
    """The error for bytes that are no segment as `encode_segment` makes them."""
    return EncodeError(
        code="encode_bad_segment", what=f"a segment is not usable: {what}", hint="render it again"
    )
