"""Decoded sound, every sample at the time that the file gives it.

Legend: S samples, C channels.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Final

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import InputContainer
from numpy.typing import NDArray

from stages.errors import SpeechError
from stages.media.account import SoundAccount
from stages.media.clock import LONGEST_HOLE_SECONDS, StreamClock, earliest_start
from stages.media.container import drained, is_cover, packets_of, reading
from stages.payloads import FRAMES_PER_SECOND

Samples = NDArray[np.float32]

# Damaged packets are skipped, as every player does (many files begin or end with one), and silence stands for them. A
# recording that loses more than one packet in this many is no longer what the studio handed in.
_TOLERATED_DAMAGE: Final = 20
_ALWAYS_TOLERATED: Final = 2

_TOLERANCE_SECONDS: Final = Fraction(1, FRAMES_PER_SECOND)
"""Between a sample's place in the file and its time. Within a frame of picture nobody sees the difference, and more
than a frame no rounding of a clock (1 ms in Matroska and FLV) and no delay of a codec explains."""

_MOST_FILLED_SECONDS: Final = 600
"""Of gaps during which no picture goes on, all together."""


class PlacedSound:
    """One audio stream of an open file, from its first sample on.

    Attributes:
        first: The first frame that was decoded; None where there is none.
    """

    def __init__(
        self,
        container: InputContainer,
        stream: AudioStream,
        *,
        clocks: Mapping[int, StreamClock],
        path: Path,
    ) -> None:
        """Raises SpeechError (``speech_not_media``, ``speech_damaged``) where nothing can be decoded."""
        self._stream, self._container, self._path = stream, container, path
        self._clock = clocks[stream.index]
        self._account = SoundAccount(stated=self._clock.stated)
        self._written = self._lead = 0
        self._filled = Fraction(0)
        self._frames = self._decoded()
        found = next(self._frames, None)
        self.first = None if found is None else found[0]
        if found is not None:
            self._frames = chain([found], self._frames)
            self._set_out(found[0], found[1], clocks)

    def account(self) -> SoundAccount:
        """What was found so far; all there is once the blocks are read."""
        lead = self._account.lead_silence
        rate = self.first.sample_rate if self.first is not None else 1
        return replace(self._account, read=Fraction(self._written, rate) - lead)

    def blocks(self) -> Iterator[Samples]:
        """(S, C) float32 blocks, silence where the file has none; to be called once.

        Raises:
            SpeechError: ``speech_not_finite``, ``speech_damaged``, ``speech_changing_format``.
        """
        assert self.first is not None
        like = self.first
        yield from self._silence(self._lead)
        # libswresample only changes the sample type here; it copies values and never resamples. Packed, because PyAV
        # reads beyond the end of a frame's first eight planes.
        convert = av.AudioResampler(format="flt", layout=like.layout, rate=like.sample_rate)
        for frame, part, sample_count in _with_length(self._frames):
            if frame.sample_rate != like.sample_rate or channels_of(frame) != channels_of(like):
                raise SpeechError(
                    code="speech_changing_format",
                    what=f"the recording changes from {describe(like)} to {describe(frame)} on the way",
                    hint="export it with one rate and one number of channels",
                    where=str(self._path),
                )
            missing, repeated = self._place(frame, part, sample_count)
            yield from self._silence(missing)
            frame.pts = None
            with reading(self._path, family=SpeechError, noun="speech"):
                pieces = convert.resample(frame)
            for piece in pieces:
                samples_SC = piece.to_ndarray().reshape(-1, channels_of(like))
                block_SC = np.ascontiguousarray(samples_SC[repeated:sample_count], dtype=np.float32)
                if not np.isfinite(block_SC).all():
                    raise SpeechError(
                        code="speech_not_finite",
                        what="the recording holds samples that are not numbers (NaN or infinity)",
                        hint="export it as 16 or 24 bit audio",
                        where=str(self._path),
                    )
                self._written += len(block_SC)
                yield block_SC

    def _decoded(self) -> Iterator[tuple[AudioFrame, int]]:
        """Frames, each with the number of its part."""
        codec, number, part, damaged, sounding = self._stream.codec_context, 0, 0, 0, False
        with reading(self._path, family=SpeechError, noun="speech"):
            for packet in packets_of(self._container, self._stream):
                is_whole = packet is not None and packet.size > 0
                if is_whole and self._clock.starts_again(number, part=part):
                    # Its memory of the part before would sound in the next.
                    yield from ((frame, part) for frame in drained(codec) if frame.samples > 0)
                    part += 1
                number += is_whole
                try:
                    frames = [] if packet is None else packet.decode()
                except av.InvalidDataError:
                    frames = None
                if packet is None or frames is None:
                    damaged += 1
                    self._note_damage(sounding)
                    continue
                for frame in frames:
                    if frame.samples > 0:
                        sounding = True
                        yield frame, part
        if damaged > (_ALWAYS_TOLERATED + number // _TOLERATED_DAMAGE if sounding else 0):
            raise SpeechError(
                code="speech_damaged",
                what=f"{damaged} of {number} packets of the recording cannot be decoded",
                hint="export it again",
                where=str(self._path),
            )

    def _note_damage(self, sounding: bool) -> None:
        # Many codecs cannot decode their first packet alone, and nothing is missing then.
        if sounding and self.first is not None:
            at = Fraction(self._written, self.first.sample_rate)
            self._account = replace(self._account, damage=self._account.damage.with_one(at))

    def _set_out(self, first: AudioFrame, part: int, clocks: Mapping[int, StreamClock]) -> None:
        """Where the first sample lies, counted from the start of the picture if there is one."""
        rate, offsets = first.sample_rate, self._clock.offsets
        tick = Fraction(first.time_base or self._stream.time_base or Fraction(1, rate))
        self._numerator, self._denominator = (tick * rate).as_integer_ratio()
        self._tolerance = int(rate * max(_TOLERANCE_SECONDS, 2 * tick))
        self._first_stamp, self._part, self._reach = first.pts, part, 0
        picture = next((each for each in self._container.streams.video if not is_cover(each)), None)
        if picture is not None and picture.start_time is not None and first.pts is not None:
            # Another track may come first: picture and sound count from the same moment whichever is heard.
            others = [each for each in self._container.streams.audio if each.index != self._stream.index]
            start = earliest_start([picture, *others])
            late, reach = first.pts * tick + offsets[part] - start, clocks[picture.index].end - start
            if 0 < late <= reach:
                self._lead = int(late * rate)
                self._account = replace(self._account, lead_silence=Fraction(self._lead, rate))
            elif late > reach:
                self._account, late = replace(self._account, ignored_lead=late), Fraction(0)
            # A picture that begins long after the sound does not vouch for what lies between.
            if clocks[picture.index].start - self._clock.start <= LONGEST_HOLE_SECONDS:
                self._reach = self._lead + int((reach - late) * rate)
        self._shifts = [self._lead + round((offset - offsets[part]) * rate) for offset in offsets]

    def _place(self, frame: AudioFrame, part: int, sample_count: int) -> tuple[int, int]:
        """Samples of silence to come before a frame, and samples of the frame whose time is taken already."""
        if frame.pts is None or self._first_stamp is None:
            return 0, 0
        ticks = frame.pts - self._first_stamp
        place = (ticks * self._numerator + self._denominator // 2) // self._denominator + self._shifts[part]
        missing, rate = place - self._written, frame.sample_rate
        at, length = Fraction(self._written, rate), Fraction(abs(missing), rate)
        if part != self._part:
            self._part = part
            self._account = replace(self._account, parts=self._account.parts.with_one(at))
            if missing < 0 and not self._reach:
                # Packets do not tell exactly how long a part is, and there is no picture that it must stay beside.
                self._shifts, missing = [shift - missing for shift in self._shifts], 0
        if missing < -self._tolerance:
            repeated = min(-missing, sample_count)
            found = self._account.repeated.with_one(at, Fraction(repeated, rate))
            self._account = replace(self._account, repeated=found)
            return 0, repeated
        if missing <= self._tolerance:
            return 0, 0
        if self._may_fill(length, end=place):
            self._account = replace(self._account, gaps=self._account.gaps.with_one(at, length))
            return missing, 0
        self._account = replace(self._account, jumps=self._account.jumps.with_one(at, length))
        self._shifts = [shift - missing for shift in self._shifts]
        return 0, 0

    def _may_fill(self, length: Fraction, *, end: int) -> bool:
        if end <= self._reach:
            return True
        self._filled += length
        return length <= LONGEST_HOLE_SECONDS and self._filled <= _MOST_FILLED_SECONDS

    def _silence(self, count: int) -> Iterator[Samples]:
        assert self.first is not None
        self._written += count
        while count > 0:
            # In pieces: a gap of an hour would be a gigabyte.
            piece = min(count, self.first.sample_rate)
            yield np.zeros((piece, channels_of(self.first)), dtype=np.float32)
            count -= piece


def channels_of(frame: AudioFrame) -> int:
    """Channels of a decoded frame."""
    return frame.layout.nb_channels


def describe(frame: AudioFrame) -> str:
    """Rate and channels of a decoded frame, for people."""
    return f"{frame.sample_rate} Hz x {channels_of(frame)}"


def _with_length(frames: Iterator[tuple[AudioFrame, int]]) -> Iterator[tuple[AudioFrame, int, int]]:
    """Frames and their parts with the number of their samples that belong to the recording.

    Codecs fill their last frame up. An edit list says by how much, and FFmpeg passes that on as the frame's duration,
    on clocks too coarse to count samples as something else.
    """
    held = next(frames, None)
    while held is not None:
        following = next(frames, None)
        frame, part = held
        sample_count = frame.samples
        if (following is None or following[1] != part) and frame.duration and frame.time_base:
            tick = Fraction(frame.time_base) * frame.sample_rate
            if tick <= 1:
                sample_count = min(sample_count, int(frame.duration * tick))
        yield frame, part, sample_count
        held = following
