"""Pictures of one subject that resemble one another, coded one after the other as video.

Legend: R pictures, S side of a picture, 3 = RGB.

Measured on 134 references of an actor: 3.1 MB and 45 dB, where WebP takes 2.7 MB for 43 dB, JPEG 6.4 MB for 45 dB and
PNG 40 MB; `python -m benchmarks.reference_coding` prints it. Decoding H.264 is exact, and the colours are computed in
whole numbers, so that every machine reads the same pictures.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from typing import Final, Literal

import av
import cv2
import numpy as np
from av.error import FFmpegError
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from numpy.typing import NDArray

Picture = NDArray[np.uint8]
Kind = Literal["yuv444p", "yuv420p"]

COLOUR: Final[Kind] = "yuv444p"
GREY: Final[Kind] = "yuv420p"
"""Of grey pictures the colours are empty: decoders know no stream without."""

_TICK: Final = Fraction(1, 25)
_ENCODER: Final = {
    # Twice as fast as medium, for a third of a decibel.
    "preset": "faster",
    # In order, and each from those before it: what is one packet is one picture.
    "x264-params": "bframes=0:scenecut=0:keyint=infinite:ref=4",
}


def encode_pictures(pictures: Iterable[Picture], *, size: int, kind: Kind, quantiser: int) -> Iterator[bytes]:
    """One packet for each picture, as soon as it is coded.

    Args:
        pictures: (S, S, 3) RGB, or (S, S) where the kind is grey.
        size: their side in px.
        kind: `COLOUR` or `GREY`.
        quantiser: x264's rate factor, 0 to 51; less is finer.
    """
    codec = av.CodecContext.create("libx264", "w")
    assert isinstance(codec, VideoCodecContext)
    codec.width = codec.height = size
    codec.pix_fmt, codec.time_base, codec.framerate = kind, _TICK, 1 / _TICK
    # Several would give bytes that depend on how many there are.
    codec.thread_count = 1
    codec.options = {**_ENCODER, "crf": str(quantiser)}
    for index, picture in enumerate(pictures):
        frame = VideoFrame.from_ndarray(_planes(picture), format=kind)
        frame.pts, frame.time_base = index, _TICK
        yield from map(bytes, codec.encode(frame))
    yield from map(bytes, codec.encode(None))


def decode_pictures(packets: Sequence[bytes], *, size: int, kind: Kind) -> Picture:
    """The pictures (R, S, S, 3), or (R, S, S) where the kind is grey, of as many packets.

    Raises:
        ValueError: they hold something else than one picture of that side and kind each.
    """
    codec = av.CodecContext.create("h264", "r")
    assert isinstance(codec, VideoCodecContext)
    codec.thread_count = 1
    # A stream may claim any size, and room would be made for it.
    codec.options = {"max_pixels": str(size * size), "err_detect": "explode"}
    pictures = np.empty((len(packets), size, size, *((3,) if kind == COLOUR else ())), dtype=np.uint8)
    count = 0
    try:
        for packet in [*(Packet(each) for each in packets), None]:
            for frame in codec.decode(packet):
                if (frame.width, frame.height, frame.format.name) != (size, size, kind) or frame.is_corrupt:
                    raise ValueError(f"picture {count} is none of {size} px in {kind}")
                if count == len(packets):
                    raise ValueError("there are more pictures than packets")
                pictures[count] = _picture(np.asarray(frame.to_ndarray(format=kind), dtype=np.uint8))
                count += 1
    except FFmpegError as error:
        raise ValueError(f"picture {count} cannot be decoded: {error.strerror}") from error
    if count < len(packets):
        raise ValueError(f"there are {count} pictures to {len(packets)} packets")
    return pictures


def _planes(picture: Picture) -> Picture:
    """What the coder takes: (3, S, S) Y, Cb, Cr of all 256 levels, or a grey picture above its empty colours."""
    if picture.ndim == 2:
        return np.concatenate([picture, np.full_like(picture[: len(picture) // 2], 128)])
    luma_SS, red_SS, blue_SS = cv2.split(cv2.cvtColor(picture, cv2.COLOR_RGB2YCrCb))
    return np.stack([luma_SS, blue_SS, red_SS])


def _picture(planes: Picture) -> Picture:
    if planes.ndim == 2:
        return planes[: planes.shape[1]]
    luma_SS, blue_SS, red_SS = planes
    merged_SS3 = cv2.merge([luma_SS, red_SS, blue_SS])
    return np.asarray(cv2.cvtColor(merged_SS3, cv2.COLOR_YCrCb2RGB), dtype=np.uint8)
