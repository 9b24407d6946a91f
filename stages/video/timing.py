"""Decoded frames with the times that their file gives them, and what was wrong on the way."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import Final

import av
from av.container import InputContainer
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from stages.errors import SubjectError
from stages.media.account import PictureAccount, Stretches
from stages.media.clock import StreamClock
from stages.media.container import drained, packets_of, reading
from stages.payloads import FRAMES_PER_SECOND
from stages.video.unfit import Unfit, UnfitFrames, joined

_LARGEST_SHARE: Final = 4
"""One picture in so many may be damaged, or have a time that is taken, before a clip is refused. What hangs on them is
left out of learning besides."""
_ALWAYS_TOLERATED: Final = 2

_NEAR_SECONDS: Final = Fraction(1, 10)
"""A frame of the grid that shows a picture of another time than this is told from one that shows its own: the lips
have moved on."""


@dataclass(slots=True)
class ClipNotes:
    """What was found while a clip was read; complete once its last frame was.

    Attributes:
        account: Of its picture.
        unfit: Frames of the grid that nothing is to be learnt from.
    """

    account: PictureAccount = field(default_factory=PictureAccount)
    unfit: tuple[UnfitFrames, ...] = ()


class TimedFrames:
    """The frames of a stream that can be decoded, with their times.

    Attributes:
        frame_length: Seconds that a frame usually lasts.
        account: What was found so far.
        reach: When the last of them should end.
    """

    def __init__(
        self,
        container: InputContainer,
        stream: VideoStream,
        *,
        clock: StreamClock,
        origin: Fraction,
        path: Path,
    ) -> None:
        """Times count from `origin`, in seconds of the file's clock."""
        self.frame_length = usual_length(stream)
        self.account = _account(clock, origin)
        self._container, self._stream, self._clock, self._path = container, stream, clock, path
        self._offsets = [offset - origin for offset in clock.offsets]
        self.reach = clock.end - origin
        self._packets = self._part = 0
        self._last: Fraction | None = None
        self._spoilt_from: Fraction | None = None
        self._spoilt_until = Fraction(0)

    def __iter__(self) -> Iterator[tuple[Fraction, VideoFrame, bool]]:
        """Time in seconds, strictly increasing, frame, and whether it hangs on damaged data.

        Frames without a timestamp follow at the usual rate. A clock that starts again goes on where it was.

        Raises:
            SubjectError: Too much is damaged (``clip_damaged``) or has a time that is taken (``clip_out_of_order``).
        """
        count = part = 0
        with reading(self._path, family=SubjectError, noun="clip"):
            for packet in packets_of(self._container, self._stream):
                for frame, own in self._decode(packet):
                    time, count = self._time(frame, own), count + 1
                    if self._last is not None and time <= self._last:
                        self._note(misplaced=time)
                        continue
                    if own != part:
                        self._note(part=time)
                    part, self._last = own, time
                    yield time, frame, self._is_spoilt(frame, time)
        self._refuse_damage(count)

    def _decode(self, packet: Packet[VideoStream] | None) -> Iterator[tuple[VideoFrame, int]]:
        """Frames, each with the number of its part."""
        if packet is None:
            self._spoil(None)
            return
        if packet.size:
            if self._clock.starts_again(self._packets, part=self._part):
                yield from ((frame, self._part) for frame in drained(self._stream.codec_context))
                self._part += 1
            self._packets += 1
            if packet.is_corrupt:
                self._spoil(packet)
        try:
            yield from ((frame, self._part) for frame in packet.decode())
        except av.InvalidDataError:
            self._spoil(packet)

    def _time(self, frame: VideoFrame, part: int) -> Fraction:
        base = frame.time_base or self._stream.time_base
        if frame.pts is not None and base is not None:
            return frame.pts * Fraction(base) + self._offsets[part]
        return Fraction(0) if self._last is None else self._last + self.frame_length

    def _spoil(self, packet: Packet[VideoStream] | None) -> None:
        """Something is damaged that hangs together with what follows, up to the next key frame."""
        after = Fraction(0) if self._last is None else self._last + self.frame_length
        time = after
        if packet is not None and packet.pts is not None and packet.time_base is not None:
            time = packet.pts * Fraction(packet.time_base) + self._offsets[self._part]
        self._note(damage=time)
        # Decoders with several threads tell of damage some frames late.
        start = min(time, after)
        self._spoilt_from = start if self._spoilt_from is None else min(start, self._spoilt_from)
        self._spoilt_until = max(time, self._spoilt_until)

    def _is_spoilt(self, frame: VideoFrame, time: Fraction) -> bool:
        if frame.is_corrupt:
            self._note(damage=time)
            self._spoilt_from = time if self._spoilt_from is None else min(time, self._spoilt_from)
            self._spoilt_until = max(time, self._spoilt_until)
            return True
        if self._spoilt_from is not None and frame.key_frame and time > self._spoilt_until:
            self._spoilt_from = None
        return self._spoilt_from is not None and time >= self._spoilt_from

    def _note(
        self,
        *,
        damage: Fraction | None = None,
        misplaced: Fraction | None = None,
        part: Fraction | None = None,
    ) -> None:
        account = self.account
        if damage is not None:
            account = replace(account, damage=account.damage.with_one(damage, self.frame_length))
        if misplaced is not None:
            account = replace(account, misplaced=account.misplaced.with_one(misplaced, self.frame_length))
        if part is not None:
            account = replace(account, parts=account.parts.with_one(part))
        self.account = account

    def _refuse_damage(self, count: int) -> None:
        damaged, misplaced = self.account.damage.count, self.account.misplaced.count
        if damaged > (_ALWAYS_TOLERATED + self._packets // _LARGEST_SHARE if count else 0):
            raise SubjectError(
                code="clip_damaged",
                what=f"{damaged} of {self._packets} pictures are damaged",
                hint="copy the clip again, or hand in the recording that it was made from",
                where=str(self._path),
            )
        if misplaced > _ALWAYS_TOLERATED + count // _LARGEST_SHARE:
            raise SubjectError(
                code="clip_out_of_order",
                what=f"{misplaced} of {count} pictures have a time at which there is one already",
                hint="its timestamps are damaged: export the clip again",
                where=str(self._path),
            )


class GridNotes:
    """Keeps account, frame by frame of the grid, of what each of them shows."""

    def __init__(self, frames: TimedFrames) -> None:
        self._frames = frames
        self._near = max(_NEAR_SECONDS, frames.frame_length)
        self._spans: list[UnfitFrames] = []
        self._first: Fraction | None = None
        self._end = Fraction(0)
        self._count = 0

    def taken(self, time: Fraction, *, before: Fraction | None) -> None:
        """A recorded frame of a time comes after one of another, or is the first."""
        start = Fraction(0) if before is None else before + self._frames.frame_length
        # Half of a hole shows the picture before it, half the one behind it.
        if time > self._near if before is None else time - before > 2 * self._near:
            account = self._frames.account
            self._frames.account = replace(account, gaps=account.gaps.with_one(start, time - start))
        self._first = time if self._first is None else self._first
        self._end = time + self._frames.frame_length

    def shown(self, target: Fraction, *, time: Fraction, is_damaged: bool) -> None:
        """The next frame of the grid, at `target`, shows the picture recorded at `time`."""
        for reason, is_so in ((Unfit.DAMAGED, is_damaged), (Unfit.LOST, abs(target - time) > self._near)):
            if is_so:
                self._note(reason)
        self._count += 1

    def _note(self, reason: Unfit) -> None:
        last = next((span for span in self._spans[-2:] if span.reason == reason), None)
        if last is not None and last.stop == self._count:
            self._spans[self._spans.index(last)] = replace(last, stop=self._count + 1)
        else:
            self._spans.append(UnfitFrames(start=self._count, stop=self._count + 1, reason=reason))

    def fill_in(self, notes: ClipNotes) -> None:
        """Hand over what was found."""
        missing = self._frames.reach - self._end
        if missing > 2 * self._near:
            # There are packets, of which no decoder made a picture.
            account = self._frames.account
            self._frames.account = replace(account, gaps=account.gaps.with_one(self._end, missing))
        first = Fraction(0) if self._first is None else self._first
        notes.account = replace(self._frames.account, read=self._end - first)
        notes.unfit = joined([*notes.unfit, *self._spans])


def usual_length(stream: VideoStream) -> Fraction:
    """Seconds that a frame of a stream usually lasts."""
    return 1 / Fraction(stream.average_rate or stream.guessed_rate or FRAMES_PER_SECOND)


def _account(clock: StreamClock, origin: Fraction) -> PictureAccount:
    """What the clock alone tells, in seconds from `origin`."""
    lost, pictures = Stretches(), 0
    for start, length in clock.holes:
        lost = lost.with_one(start - origin, length)
        pictures += round(length / clock.usual)
    return PictureAccount(stated=clock.stated, lost=lost, lost_pictures=pictures)
