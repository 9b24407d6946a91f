"""One segment: frames to a closed group of H.264 pictures in MP4, the same bytes every time, and proof that it decodes.

Legend: H, W pixels; 3 = R, G, B. Planes are a picture as H.264 stores it, see `stages.encode.colour`.
"""

from __future__ import annotations

import io
from collections.abc import Iterable
from fractions import Fraction

import av
import numpy as np
from av.video.frame import PictureType, VideoFrame
from av.video.stream import VideoStream
from numpy.typing import NDArray

from stages.encode.colour import rgb_to_yuv420
from stages.encode.profile import VideoProfile
from stages.errors import EncodeError
from stages.payloads import FRAMES_PER_SECOND

Frame = NDArray[np.uint8]

# ITU-T H.273 code points.
_BT709 = 1
_LIMITED_RANGE = 1


def encode_segment(frames_HW3: Iterable[Frame], *, fps: Fraction, profile: VideoProfile) -> bytes:
    """Encode one segment.

    Frame i of the segment is stored at i / fps; the first and only the first is a key frame (segments longer than
    `profile.gop` get another every `gop` frames). Equal frames give equal bytes, in any process.

    Args:
        frames_HW3: (size, size, 3) uint8 RGB each; read one at a time.
        fps: Frames per second.
        profile: Encoder settings.

    Raises:
        EncodeError: A frame of another shape or type (``encode_wrong_frame``), no frames at all
            (``encode_no_frames``), or the encoder refuses (``encode_encoder``).
    """
    pictures = (
        rgb_to_yuv420(_checked(frame_HW3, index=index, profile=profile))
        for index, frame_HW3 in enumerate(frames_HW3)
    )
    return encode_planes(pictures, fps=fps, profile=profile)


def encode_planes(pictures: Iterable[NDArray[np.uint8]], *, fps: Fraction, profile: VideoProfile) -> bytes:
    """Encode one segment from pictures that are (3 size / 2, size) uint8 planes already; see `encode_segment`.

    Raises:
        EncodeError: No pictures at all (``encode_no_frames``), or the encoder refuses (``encode_encoder``).
    """
    target = io.BytesIO()
    try:
        # Without bitexact the muxer writes its version into the file.
        with av.open(target, mode="w", format="mp4", options={"fflags": "+bitexact"}) as container:
            stream = _add_stream(container, fps=fps, profile=profile)
            count = 0
            for planes in pictures:
                container.mux(stream.encode(_picture(planes, index=count, fps=fps, profile=profile)))
                count += 1
            if count:
                container.mux(stream.encode(None))
    except av.FFmpegError as error:
        raise EncodeError(
            code="encode_encoder", what=f"libx264 refused to encode: {error}", hint="run: farm doctor"
        ) from error
    if count == 0:
        raise EncodeError(code="encode_no_frames", what="a segment needs at least one frame")
    return target.getvalue()


def verify_segment(
    data: bytes, *, frame_count: int, size: int, fps: Fraction = Fraction(FRAMES_PER_SECOND)
) -> None:
    """Decode a segment and check that it is what was asked for, before anybody relies on it.

    Args:
        data: The segment's bytes.
        frame_count: Frames it must hold.
        size: Width and height they must have, px.
        fps: Frame i must lie at exactly i / fps.

    Raises:
        EncodeError: ``encode_bad_segment``, naming the first thing that is wrong.
    """
    try:
        with av.open(io.BytesIO(data), mode="r", format="mp4") as container:
            stream = container.streams.video[0]
            count = 0
            for frame in container.decode(stream):
                if (frame.width, frame.height) != (size, size):
                    raise _bad_segment(f"frame {count} is {frame.width}x{frame.height}, not {size}x{size}")
                if frame.pts is None or frame.time_base is None:
                    raise _bad_segment(f"frame {count} has no timestamp")
                if frame.pts * Fraction(frame.time_base) != count / fps:
                    raise _bad_segment(f"frame {count} does not lie at {count}/{fps} s")
                if frame.is_corrupt:
                    raise _bad_segment(f"frame {count} is damaged")
                if count == 0 and not frame.key_frame:
                    raise _bad_segment("it does not open with a key frame")
                count += 1
    except (av.FFmpegError, IndexError) as error:
        raise _bad_segment(f"it cannot be decoded: {error}") from error
    if count != frame_count:
        raise _bad_segment(f"it holds {count} frames, not {frame_count}")


def _add_stream(
    container: av.container.OutputContainer, *, fps: Fraction, profile: VideoProfile
) -> VideoStream:
    stream = container.add_stream("libx264", rate=fps, options=profile.encoder_options())
    stream.width = stream.height = profile.size
    stream.pix_fmt = profile.pixel_format
    stream.time_base = 1 / fps
    context = stream.codec_context
    context.time_base = 1 / fps
    context.thread_count = 1
    context.color_primaries = _BT709
    context.color_trc = _BT709
    context.colorspace = _BT709
    context.color_range = _LIMITED_RANGE
    return stream


def _checked(frame_HW3: Frame, *, index: int, profile: VideoProfile) -> Frame:
    wanted = (profile.size, profile.size, 3)
    if frame_HW3.shape != wanted or frame_HW3.dtype != np.uint8:
        raise EncodeError(
            code="encode_wrong_frame",
            what=f"frame {index} is {frame_HW3.dtype}{frame_HW3.shape}; profile {profile.name} takes uint8{wanted}",
        )
    return frame_HW3


def _picture(planes: NDArray[np.uint8], *, index: int, fps: Fraction, profile: VideoProfile) -> VideoFrame:
    picture = VideoFrame.from_ndarray(planes, format=profile.pixel_format)
    picture.pts = index
    picture.time_base = 1 / fps
    picture.colorspace = _BT709
    picture.color_range = _LIMITED_RANGE
    # Left to x264, which opens every group with the one kind of key frame that closes the last.
    picture.pict_type = PictureType.NONE
    return picture


def _bad_segment(what: str) -> EncodeError:
    return EncodeError(
        code="encode_bad_segment", what=f"a segment is not usable: {what}", hint="render it again"
    )
