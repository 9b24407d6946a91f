"""Committed segments and the sound of a master as fragments of fMP4 (CMAF), for players that stream.

No picture is encoded again, and equal input gives equal bytes. Every segment of a take shares one header, and so do all
pieces of its sound. Frame i lies at exactly i / fps. The sound is the master's own, packet by packet, cut at the first
packet after the end of each segment; its header says that the first packet is the encoder's run-up, which players leave
out.
"""

from __future__ import annotations

import io
import struct
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import BinaryIO, Final, TypeAlias

import av
from av.audio.stream import AudioStream
from av.packet import Packet

from stages.encode.coded_pictures import coded_pictures, opened_segment
from stages.encode.sound import MasterSound, add_voice
from stages.encode.stitch import SYNTHETIC_MARK
from stages.errors import EncodeError
from stages.speech.decode import Speech
from stages.speech.source import open_speech

SOUND_CODEC: Final = "mp4a.40.2"
"""The master's sound, AAC-LC, as RFC 6381 names it."""

SoundPacket: TypeAlias = "Packet[AudioStream]"

_PACKET_SAMPLES: Final = 1024
_FRAGMENT: Final = "+cmaf+empty_moov+frag_discont+skip_trailer"
# The header is only written once the first packet is seen, which says how long the run-up is.
_HEADER_OF_SOUND: Final = "+cmaf+delay_moov+skip_trailer"


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureFragment:
    """A segment as players stream it.

    Attributes:
        header: The same for all segments of a take.
        media: The pictures.
        frame_count: Of the segment.
        width, height: Pixels.
        codec: As RFC 6381 names it, with profile and level.
    """

    header: bytes
    media: bytes
    frame_count: int
    width: int
    height: int
    codec: str


def picture_fragment(segment: bytes, *, index: int, first_frame: int, fps: Fraction) -> PictureFragment:
    """A segment as a fragment.

    Args:
        segment: As `encode_segment` made it.
        index: Its place in the take, from 0.
        first_frame: Where its first frame lies.
        fps: Frames per second.

    Raises:
        EncodeError: It is no segment (``encode_bad_segment``).
    """
    target = io.BytesIO()
    frame_count = 0
    with opened_segment(segment) as (container, stream):
        # Players count in whole frames: no frame's time is rounded.
        more = {"video_track_timescale": str(fps.numerator)}
        with av.open(target, mode="w", format="mp4", options=_options(_FRAGMENT, index) | more) as written:
            written.metadata["comment"] = SYNTHETIC_MARK
            picture = written.add_stream_from_template(stream)
            for packet in coded_pictures(container, stream, first=first_frame, fps=fps):
                packet.stream = picture
                written.mux(packet)
                frame_count += 1
        width, height = stream.width, stream.height
        extradata = stream.codec_context.extradata or b""
    header, media = _divided(target.getvalue())
    return PictureFragment(
        header=header,
        media=media,
        frame_count=frame_count,
        width=width,
        height=height,
        # Of the decoder's configuration: profile, constraints, level.
        codec=f"avc1.{extradata[1:4].hex()}",
    )


def write_sound(
    target: BinaryIO, *, recording: Path, speech: Speech, fps: Fraction, segment_frames: int
) -> None:
    """Encode the sound of a master, and write it in pieces: a header, and a fragment for each segment.

    Args:
        target: Where it is written.
        recording: The recording.
        speech: What was read of it.
        fps: Frames per second.
        segment_frames: Frames of every segment but the last.

    Raises:
        SpeechError: The recording cannot be read.
        EncodeError: It is no longer as long as it was (``encode_length_mismatch``), or the encoder refuses
            (``encode_encoder``).
        OSError: Something cannot be written.
    """
    with tempfile.TemporaryFile() as whole:
        try:
            _encode_sound(whole, recording=recording, speech=speech, fps=fps)
            whole.seek(0)
            with av.open(whole, mode="r", format="mp4") as container:
                stream = container.streams.audio[0]
                samples = segment_frames * stream.rate / fps
                for index, packets in enumerate(_pieces(container.demux(stream), samples=samples)):
                    header, media = _piece_of_sound(packets, stream, index=index)
                    target.write(header + media if index == 0 else media)
        except av.FFmpegError as error:
            raise EncodeError(
                code="encode_encoder",
                what=f"FFmpeg refused to encode the sound: {error}",
                hint="run: farm doctor",
            ) from error


@dataclass(frozen=True, slots=True, kw_only=True)
class SoundPieces:
    """What `write_sound` wrote, and where in it.

    Attributes:
        header: Bytes [start, stop) of the header.
        media: Of each piece.
        durations: Seconds of each piece.
        frame_count: Frames of picture that it belongs to.
        channel_count: 1 or 2.
        bit_rate: Bits per second, on average.
    """

    header: range
    media: tuple[range, ...]
    durations: tuple[Fraction, ...]
    frame_count: int
    channel_count: int
    bit_rate: int


def sound_pieces(path: Path, *, fps: Fraction, segment_frames: int) -> SoundPieces:
    """Find the pieces of a file that `write_sound` wrote.

    Raises:
        EncodeError: It is none (``encode_bad_sound``).
        OSError: It cannot be read.
    """
    try:
        with path.open("rb") as file:
            starts = [start for kind, start in _boxes(file) if kind == b"moof"]
            file.seek(0)
            header = file.read(starts[0])
            file.seek(starts[-1])
            ending = header + file.read()
        size = path.stat().st_size
        media = tuple(range(a, b) for a, b in pairwise([*starts, size]))
        with av.open(io.BytesIO(ending), mode="r", format="mp4") as container:
            stream = container.streams.audio[0]
            rate, channel_count = stream.rate, stream.channels
            end = max((packet.pts or 0) + (packet.duration or 0) for packet in container.demux(stream))
    except (av.FFmpegError, IndexError, TypeError, ValueError, struct.error) as error:
        raise EncodeError(
            code="encode_bad_sound", what=f"it is no sound in pieces: {error}", where=str(path)
        ) from error
    samples = segment_frames * rate / fps
    cuts = [*(_cut(index, samples=samples) for index in range(len(media))), end]
    return SoundPieces(
        header=range(starts[0]),
        media=media,
        durations=tuple(Fraction(b - a, rate) for a, b in pairwise(cuts)),
        frame_count=-(-end * fps // rate),
        channel_count=channel_count,
        bit_rate=round(8 * size * rate / end),
    )


def _encode_sound(target: BinaryIO, *, recording: Path, speech: Speech, fps: Fraction) -> None:
    assert speech.heard is not None  # as of every speech that comes from a file
    with (
        open_speech(recording, track=speech.heard.track) as source,
        av.open(target, mode="w", format="mp4", options={"fflags": "+bitexact"}) as written,
    ):
        sound = MasterSound(source, downmix=speech.heard.downmix, fps=fps)
        voice = add_voice(written, sound)
        for frame in sound.finish(speech.frame_count):
            written.mux(voice.encode(frame))
        written.mux(voice.encode(None))


def _pieces(packets: Iterable[SoundPacket], *, samples: Fraction) -> Iterator[list[SoundPacket]]:
    piece: list[SoundPacket] = []
    index = 0
    for packet in packets:
        if packet.pts is None:  # the empty packet that ends the stream
            continue
        if packet.pts >= _cut(index + 1, samples=samples):
            yield piece
            piece, index = [], index + 1
        piece.append(packet)
    yield piece


def _cut(index: int, *, samples: Fraction) -> int:
    """First sample of a piece: that of the first packet which begins after the segments before it."""
    return -(-index * samples // _PACKET_SAMPLES) * _PACKET_SAMPLES


def _piece_of_sound(
    packets: Iterable[SoundPacket], stream: AudioStream, *, index: int
) -> tuple[bytes, bytes]:
    header = b""
    if index == 0:
        header, _ = _divided(_muxed(packets, stream, _options(_HEADER_OF_SOUND, index), later=0))
    _, media = _divided(_muxed(packets, stream, _options(_FRAGMENT, index), later=_PACKET_SAMPLES))
    return header, media


def _muxed(
    packets: Iterable[SoundPacket], stream: AudioStream, options: dict[str, str], *, later: int
) -> bytes:
    target = io.BytesIO()
    with av.open(target, mode="w", format="mp4", options=options) as written:
        written.metadata["comment"] = SYNTHETIC_MARK
        voice = written.add_stream_from_template(stream)
        for packet in packets:
            assert packet.pts is not None  # as `_pieces` passes them on
            copied = av.Packet(bytes(packet))
            copied.pts = copied.dts = packet.pts + later
            copied.duration, copied.time_base, copied.stream = packet.duration, packet.time_base, voice
            written.mux(copied)
    return target.getvalue()


def _options(flags: str, index: int) -> dict[str, str]:
    # Without bitexact the muxer writes its version into the file; the bit rate in a header would differ by segment.
    return {
        "movflags": flags,
        "fflags": "+bitexact",
        "write_btrt": "0",
        "fragment_index": str(index + 1),
    }


def _divided(data: bytes) -> tuple[bytes, bytes]:
    """Header and media of one fragment."""
    start = next(start for kind, start in _boxes(io.BytesIO(data)) if kind == b"moof")
    return data[:start], data[start:]


def _boxes(file: BinaryIO) -> Iterator[tuple[bytes, int]]:
    """Kind and place of each box of an MP4 file, outermost ones alone."""
    start = 0
    while header := file.read(8):
        length, kind = struct.unpack(">I4s", header)
        if length < 8:
            raise ValueError(f"a box of {length} bytes")
        yield kind, start
        start += length
        file.seek(start)
