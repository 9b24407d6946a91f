"""Opening recorded media safely: one door for every audio and video file a user hands in.

FFmpeg reads far more than files: playlists that name other files, lists to concatenate, network addresses. A studio's
recording is one file, so only the file protocol is allowed and playlists are refused.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import av
from av.audio.codeccontext import AudioCodecContext
from av.container import InputContainer
from av.packet import Packet
from av.stream import Stream
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from stages.errors import StageError
from stages.files import is_plain_file
from stages.media.headers import lacks_index

# Demuxers that read other files than the one they were given, or make sound and picture up: a line of SBaGen script is
# days of tones.
_INDIRECT_FORMATS = frozenset(
    {
        *("hls", "applehttp", "concat", "concatf", "dash", "imf", "webm_dash_manifest"),
        *("image2", "vobsub", "rtp", "rtsp", "sap", "sdp"),
        *("lavfi", "sbg"),
    }
)

StreamT = TypeVar("StreamT", bound=Stream)

_MOST_FAILURES_AT_ONCE = 100


@contextmanager
def open_media(path: Path, *, family: type[StageError], noun: str) -> Iterator[InputContainer]:
    """Open one recorded file for reading.

    Errors of the ``with`` block itself pass through untouched: what fails while the file is open may be another file.
    Wrap what reads this one in `reading`.

    Args:
        path: The file.
        family: The error class to raise, for example `SpeechError`.
        noun: What the file is to its reader (``speech``, ``clip``): first part of the error codes.

    Raises:
        StageError: As `family`, with code ``<noun>.not-found``, ``<noun>.unreadable`` or ``<noun>.not-media``.
    """
    if not is_plain_file(path):
        raise family(
            code=f"{noun}_not_found", what="there is no file here", hint="name one file", where=str(path)
        )
    with reading(path, family=family, noun=noun):
        # "file:" keeps a name such as "concat:a|b" a name; the whitelist keeps everything it mentions on this disk.
        # Titles are often in no alphabet that is known; nobody reads them here.
        container = av.open(
            f"file:{path}",
            mode="r",
            options={"protocol_whitelist": "file"},
            metadata_errors="replace",
        )
    with container:
        if _INDIRECT_FORMATS & set(container.format.name.split(",")):
            raise not_media(path, family=family, noun=noun)
        yield container


@contextmanager
def reading(path: Path, *, family: type[StageError], noun: str) -> Iterator[None]:
    """Turn FFmpeg's errors while `path` is read into ours.

    Raises:
        StageError: As `family`, with code ``<noun>.unreadable`` or ``<noun>.not-media``.
    """
    try:
        yield
    except PermissionError as error:
        # FFmpeg's own word for data it cannot go on with is EPERM; a file system says EACCES.
        if error.errno != errno.EACCES:
            raise not_media(path, family=family, noun=noun) from error
        raise family(
            code=f"{noun}_unreadable",
            what="the file may not be read",
            hint="check its permissions",
            where=str(path),
        ) from error
    except av.FFmpegError as error:
        raise not_media(path, family=family, noun=noun) from error


def packets_of(container: InputContainer, *streams: StreamT) -> Iterator[Packet[StreamT] | None]:
    """The packets of some streams in the order of the file; None where something unreadable was skipped.

    What FFmpeg cannot read any more ends the packets as the end of the file does. An empty packet ends each stream.
    """
    failures = 0
    while True:
        packets: Iterator[Any] = container.demux(*streams)
        try:
            for packet in packets:
                failures = 0
                yield packet
            return
        except IndexError:
            # A packet of a stream that begins in the middle of the file: PyAV knows only those from its start.
            continue
        except av.InvalidDataError:
            # Behind it there may be more; without end there is not.
            failures += 1
            yield None
            if failures > _MOST_FAILURES_AT_ONCE:
                return


def decoded(packet: Packet[VideoStream] | None) -> list[VideoFrame]:
    """The pictures of a packet; none where it is damaged."""
    try:
        return [] if packet is None else packet.decode()
    except av.InvalidDataError:
        return []


def drained(codec: AudioCodecContext | VideoCodecContext) -> list[Any]:
    """The frames that a decoder still holds back; it is ready for another recording then."""
    frames = codec.decode(None)
    codec.flush_buffers()
    return frames


def is_cover(stream: VideoStream) -> bool:
    """Whether a video stream is only the cover picture of a sound file."""
    return bool(stream.disposition & type(stream.disposition).attached_pic)


def not_media(path: Path, *, family: type[StageError], noun: str) -> StageError:
    """The error for a file that is no recording, one of a codec that FFmpeg does not know, or one without its end."""
    if lacks_index(path):
        return family(
            code=f"{noun}_cut_short",
            what="the file ends before the index that says where in it sound and picture are",
            hint="it was not copied or recorded to its end: copy it again",
            where=str(path),
        )
    return family(
        code=f"{noun}_not_media",
        what="this is not an audio or video file that FFmpeg can read",
        hint="hand in a recording such as WAV, FLAC, MP3, M4A, MP4 or MOV",
        where=str(path),
    )
