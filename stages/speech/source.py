"""A recording as it was made: blocks of samples at its own rate, all channels, checked.

Legend: S samples, C channels.

Both readers of a recording go through here, the one that feeds the motion (16 kHz, one channel) and the one that puts
the sound into the master (own rate, up to two channels), so that picture and sound can never disagree about its length.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from math import gcd
from pathlib import Path

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import InputContainer
from numpy.typing import NDArray

from stages.errors import SpeechError
from stages.media.container import is_cover, open_media, reading
from stages.payloads import SAMPLE_RATE

Samples = NDArray[np.float32]

# Damaged packets are skipped, as every player does (many files begin or end with one), but a recording that loses more
# than one packet in this many is no longer what the studio handed in.
_TOLERATED_DAMAGE = 100
_ALWAYS_TOLERATED = 2

_LOWEST_RATE, _HIGHEST_RATE = 4_000, 768_000
_MOST_STEPS = (
    50_000  # of the filter between the recording's rate and 16 kHz; no rate in use above 50 kHz has more
)
_MOST_CHANNELS = 64

# Sound that starts later than the picture of the same file is preceded by silence. Clocks further apart than this
# have nothing to do with each other.
_LONGEST_LEAD_SECONDS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechSource:
    """An open recording.

    Attributes:
        rate: Samples per second, as decoded.
        channel_count: Channels of every block.
        blocks_SC: (S, C) float32 blocks, nominally in [-1, 1], in order; to be consumed once.
    """

    rate: int
    channel_count: int
    blocks_SC: Iterator[Samples]


@contextmanager
def open_speech(path: Path) -> Iterator[SpeechSource]:
    """Open a recording in any container and codec FFmpeg reads; its first audio stream counts.

    Raises:
        SpeechError: ``speech_not_found``, ``speech_unreadable``, ``speech_not_media`` (no recording at all),
            ``speech_no_sound`` (no audio stream), ``speech_empty`` (zero samples), ``speech_unusual_format`` (a rate or
            number of channels that no speech has); while the blocks are read also ``speech_not_finite``,
            ``speech_damaged`` and ``speech_changing_format``.
    """
    with open_media(path, family=SpeechError, noun="speech") as container:
        stream = next(iter(container.streams.audio), None)
        if stream is None:
            raise SpeechError(
                code="speech_no_sound",
                what="there is no audio in this file",
                hint="hand in a recording of speech",
                where=str(path),
            )
        frames = _decoded_frames(container, stream, path)
        first = next(frames, None)
        if first is None:
            raise SpeechError(
                code="speech_empty",
                what="the recording is zero samples long",
                hint="check how it was exported",
                where=str(path),
            )
        if not _is_usual(first):
            raise SpeechError(
                code="speech_unusual_format",
                what=f"the recording is said to be {_describe(first)}",
                hint="export it at 16 to 192 kHz with one or two channels",
                where=str(path),
            )
        blocks_SC = chain(
            _leading_silence(container, first), _checked_blocks(chain([first], frames), like=first, path=path)
        )
        yield SpeechSource(rate=first.sample_rate, channel_count=_channels(first), blocks_SC=blocks_SC)


def _decoded_frames(container: InputContainer, stream: AudioStream, path: Path) -> Iterator[AudioFrame]:
    packet_count, damaged_count, sounding = 0, 0, False
    with reading(path, family=SpeechError, noun="speech"):
        for packet in container.demux(stream):
            packet_count += 1
            try:
                frames = packet.decode()
            except av.InvalidDataError:
                damaged_count += 1
                continue
            for frame in frames:
                if frame.samples > 0:
                    sounding = True
                    yield frame
    tolerated = _ALWAYS_TOLERATED + packet_count // _TOLERATED_DAMAGE if sounding else 0
    if damaged_count > tolerated:
        raise SpeechError(
            code="speech_damaged",
            what=f"{damaged_count} of {packet_count} packets of the recording cannot be decoded",
            hint="export it again",
            where=str(path),
        )


def _checked_blocks(frames: Iterator[AudioFrame], *, like: AudioFrame, path: Path) -> Iterator[Samples]:
    # libswresample only changes the sample type here; it copies values and never resamples. Packed, because PyAV reads
    # beyond the end of a frame's first eight planes.
    convert = av.AudioResampler(format="flt", layout=like.layout, rate=like.sample_rate)
    for frame, sample_count in _with_length(frames):
        if frame.sample_rate != like.sample_rate or _channels(frame) != _channels(like):
            raise SpeechError(
                code="speech_changing_format",
                what=f"the recording changes from {_describe(like)} to {_describe(frame)} on the way",
                hint="export it with one rate and one number of channels",
                where=str(path),
            )
        frame.pts = None
        with reading(path, family=SpeechError, noun="speech"):
            parts = convert.resample(frame)
        for part in parts:
            samples_SC = part.to_ndarray().reshape(-1, _channels(like))
            block_SC = np.ascontiguousarray(samples_SC[:sample_count], dtype=np.float32)
            if not np.isfinite(block_SC).all():
                raise SpeechError(
                    code="speech_not_finite",
                    what="the recording holds samples that are not numbers (NaN or infinity)",
                    hint="export it as 16 or 24 bit audio",
                    where=str(path),
                )
            yield block_SC


def _with_length(frames: Iterator[AudioFrame]) -> Iterator[tuple[AudioFrame, int]]:
    """Frames with the number of their samples that belong to the recording.

    Codecs fill their last frame up. An edit list says by how much, and FFmpeg passes that on as the frame's duration,
    on clocks too coarse to count samples as something else.
    """
    held = next(frames, None)
    while held is not None:
        following = next(frames, None)
        sample_count = held.samples
        if following is None and held.duration and held.time_base:
            tick = Fraction(held.time_base) * held.sample_rate
            if tick <= 1:
                sample_count = min(sample_count, int(held.duration * tick))
        yield held, sample_count
        held = following


def _leading_silence(container: InputContainer, first: AudioFrame) -> Iterator[Samples]:
    picture = next((each for each in container.streams.video if not is_cover(each)), None)
    if picture is None or picture.start_time is None or picture.time_base is None:
        return
    if first.pts is None or first.time_base is None:
        return
    late: Fraction = first.pts * Fraction(first.time_base) - picture.start_time * Fraction(picture.time_base)
    if 0 < late <= _LONGEST_LEAD_SECONDS:
        yield np.zeros((int(late * first.sample_rate), _channels(first)), dtype=np.float32)


def _is_usual(frame: AudioFrame) -> bool:
    """Whether a recording can have such a rate and number of channels; the filter for others would fill the memory."""
    steps = frame.sample_rate // gcd(frame.sample_rate, SAMPLE_RATE) if frame.sample_rate > 0 else 0
    return (
        _LOWEST_RATE <= frame.sample_rate <= _HIGHEST_RATE
        and steps <= _MOST_STEPS
        and 1 <= _channels(frame) <= _MOST_CHANNELS
    )


def _channels(frame: AudioFrame) -> int:
    return frame.layout.nb_channels


def _describe(frame: AudioFrame) -> str:
    return f"{frame.sample_rate} Hz x {_channels(frame)}"
