"""The clocks inside a recording: where a packet of sound or picture belongs in time.

A file that was joined by `cat`, or cut together from a broadcast, has a clock that starts again in the middle. What
follows is a new part: it begins where the longer of sound and picture before it ended. Packets are enough to see that,
and they are read in a fraction of the time that decoding takes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

from av.audio.stream import AudioStream
from av.container import InputContainer
from av.packet import Packet
from av.stream import Stream
from av.video.stream import VideoStream

from stages.errors import StageError
from stages.media.account import falls_short
from stages.media.container import is_cover, open_media, packets_of, reading
from stages.media.headers import avi_length, check_not_joined, mp3_states_length, tagged_end, wave_length

_RESTART_SECONDS: Final = Fraction(1, 4)
"""A clock that steps back further has started again. Nearer steps are what delays and fillings of encoders leave where
recordings were joined with care: less than 1/4 s for every codec and rate in use."""

_MOST_REORDERED: Final = 16
"""Pictures by which one may be shown later than it lies in a file: H.264 and HEVC allow no more. In Matroska, which
does not say when to decode it, that looks like a step back."""

LONGEST_HOLE_SECONDS: Final = 60
"""For which nothing new comes while a clock is still believed: damaged timestamps lie years apart."""

_WRAPPED: Final = 1 << 32
"""Ticks. Clocks of 33 bits run over; FFmpeg lifts whatever then comes early by 2^33, a clock that starts again too."""
_CLOCKS_OF_33_BITS: Final = frozenset({"mpeg", "mpegts"})

_HEADERS_WITH_LENGTH: Final = frozenset(
    {"mov", "matroska", "wav", "w64", "flac", "aiff", "au", "caf", "avi", "flv", "asf", "mp3", "wv", "tta"}
)
"""Formats whose header states a length. Of others FFmpeg estimates one, by what it finds in the file itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamClock:
    """The clock of one stream.

    Attributes:
        begins: Numbers, among the packets of the stream, of the first of every part that has any.
        offsets: Seconds to add to the times of each of these parts, so that they follow one another.
        start: When its first packet begins, with the offsets. FFmpeg gives a stream of a file that states no start that
            of another stream.
        end: When its last packet ends, with the offsets, or that before a hole of more than a minute.
        stated: Seconds of it that the file says it holds; None where it says nothing.
        rate_varies: Whether some packet lasts half as long again as the usual one.
        usual: Seconds from one picture to the next, the median; 0 for sound.
        holes: Start and length, in seconds and with the offsets, of where pictures are missing: between the end of one
            that lasts half as long again as usual and the next.
    """

    begins: tuple[int, ...] = (0,)
    offsets: tuple[Fraction, ...] = (Fraction(0),)
    start: Fraction = Fraction(0)
    end: Fraction = Fraction(0)
    stated: Fraction | None = None
    rate_varies: bool = False
    usual: Fraction = Fraction(0)
    holes: tuple[tuple[Fraction, Fraction], ...] = ()

    def starts_again(self, number: int, *, part: int) -> bool:
        """Whether packet `number`, the next after those of `part`, is the first of another part."""
        return part + 1 < len(self.begins) and number == self.begins[part + 1]


def read_clocks(path: Path, *, family: type[StageError], noun: str) -> dict[int, StreamClock]:
    """The clocks of every stream of a file, by its index.

    Raises:
        StageError: As `family`, with the codes of `open_media`; ``<noun>_joined`` where several files were joined in a
            way that hides all but the first of them.
    """
    with open_media(path, family=family, noun=noun) as container:
        streams = [
            stream
            for stream in container.streams
            if isinstance(stream, AudioStream) or (isinstance(stream, VideoStream) and not is_cover(stream))
        ]
        tracks = {stream.index: _Track.of(stream, container, path) for stream in streams}
        parts, last_byte = 1, 0
        with reading(path, family=family, noun=noun):
            # Asked for the packets of no stream, FFmpeg gives those of all.
            for packet in packets_of(container, *streams) if streams else ():
                if packet is None or not packet.size:
                    continue
                parts = tracks[packet.stream_index].take(packet, parts)
                if packet.pos is not None:
                    last_byte = max(last_byte, packet.pos + packet.size)
        check_not_joined(path, last_byte, family=family, noun=noun)
        return _placed(tracks, container, parts)


def earliest_start(streams: Iterable[Stream]) -> Fraction:
    """When the first of some streams starts, in seconds of the file's clock; 0 where none says."""
    starts = (
        stream.start_time * Fraction(stream.time_base)
        for stream in streams
        if stream.start_time is not None and stream.time_base is not None
    )
    return min(starts, default=Fraction(0))


@dataclass(slots=True, kw_only=True)
class _Part:
    """What a part holds of a stream: the number of its first packet, its earliest time, and its end, in ticks."""

    begin: int
    lowest: int
    end: int


@dataclass(slots=True, kw_only=True)
class _Track:
    tick: Fraction
    restart: int
    longest_hole: int
    usual: int
    wraps: bool
    stated: Fraction | None
    is_matroska: bool
    count: int = 0
    highest: int | None = None
    part: int = 0
    parts: dict[int, _Part] = field(default_factory=dict)
    times: list[list[int]] | None = None

    @classmethod
    def of(cls, stream: Stream, container: InputContainer, path: Path) -> _Track:
        tick = Fraction(stream.time_base or Fraction(1, 1_000_000))
        usual = Fraction(0)
        if isinstance(stream, VideoStream):
            usual = 1 / Fraction(stream.average_rate or stream.guessed_rate or 25)
        formats = set(container.format.name.split(","))
        is_matroska = "matroska" in formats
        return cls(
            tick=tick,
            restart=int(max(_RESTART_SECONDS, _MOST_REORDERED * usual * is_matroska) / tick),
            longest_hole=int(LONGEST_HOLE_SECONDS / tick),
            usual=int(usual / tick),
            wraps=bool(_CLOCKS_OF_33_BITS & formats),
            stated=_stated(stream, formats, path),
            is_matroska=is_matroska,
            times=[] if isinstance(stream, VideoStream) else None,
        )

    def take(self, packet: Packet[Any], parts: int) -> int:
        """One packet more, in a file that was seen to have so many parts; returns how many it has now."""
        number, self.count = self.count, self.count + 1
        stamp = packet.pts if self.is_matroska else packet.dts
        if stamp is None:
            if self.part in self.parts:
                self.parts[self.part].end += packet.duration or self.usual
            return parts
        if self.highest is None:
            self.part = parts - 1
        elif self._starts_again(stamp, is_behind=self.part < parts - 1):
            # Another stream may have been there first.
            parts = max(parts, self.part + 2)
            self.part, self.highest = parts - 1, None
        self.highest = stamp if self.highest is None else max(self.highest, stamp)
        self._note(number, stamp if packet.pts is None else packet.pts, packet.duration or self.usual)
        return parts

    def _starts_again(self, stamp: int, *, is_behind: bool) -> bool:
        assert self.highest is not None
        if self.wraps and stamp - self.highest > _WRAPPED:
            return True
        if is_behind:
            # Another stream has begun anew. Transport streams give the end of a picture late; Matroska keeps its order.
            return self.is_matroska or stamp < self.highest
        return self.highest - stamp > self.restart

    def _note(self, number: int, time: int, length: int) -> None:
        part = self.parts.get(self.part)
        if part is None:
            self.parts[self.part] = _Part(begin=number if self.parts else 0, lowest=time, end=time + length)
            if self.times is not None:
                self.times.append([time])
            return
        part.lowest = min(part.lowest, time)
        if time - part.end <= self.longest_hole:
            part.end = max(part.end, time + length)
        if self.times is not None:
            self.times[-1].append(time)

    def stated_length(self) -> Fraction | None:
        """Matroska states when a stream ends, other formats how long it is."""
        if self.stated is None or not self.is_matroska or not self.parts:
            return self.stated
        return self.stated - max(0, min(self.parts.items())[1].lowest) * self.tick

    def end(self, offsets: list[Fraction]) -> Fraction:
        """When it ends, or the first hole begins after which its clock is no longer believed."""
        end: Fraction | None = None
        for number, part in sorted(self.parts.items()):
            start = part.lowest * self.tick + offsets[number]
            if end is not None and start - end > LONGEST_HOLE_SECONDS:
                break
            end = part.end * self.tick + offsets[number]
        return Fraction(0) if end is None else end

    def usual_gap(self) -> int:
        """Ticks from one picture to the next, the median; 0 where there are not two."""
        # Packets lie in the order in which they are decoded, which with B-frames is not that of their times.
        gaps = sorted(
            after - before
            for times in self.times or ()
            for before, after in pairwise(sorted(times))
            if after > before
        )
        return gaps[len(gaps) // 2] if gaps else 0

    def holes(self, offsets: list[Fraction]) -> Iterator[tuple[Fraction, Fraction]]:
        """See `StreamClock`."""
        usual = self.usual_gap()
        for number, times in zip(sorted(self.parts), self.times or (), strict=False):
            for before, after in pairwise(sorted(times)):
                if 2 * (after - before) > 3 * usual:
                    yield (before + usual) * self.tick + offsets[number], (after - before - usual) * self.tick


def _stated(stream: Stream, formats: set[str], path: Path) -> Fraction | None:
    # What has no decoder has no context either.
    context = getattr(stream, "codec_context", None)
    if "wav" in formats and context is not None and context.name.startswith("pcm_"):
        return wave_length(path)
    if "mp3" in formats and not mp3_states_length(path):
        return None
    if "matroska" in formats:
        return tagged_end(stream.metadata)
    if not formats & _HEADERS_WITH_LENGTH or stream.duration is None or stream.time_base is None:
        return None
    return stream.duration * Fraction(stream.time_base)


def _stated_by_file(container: InputContainer, formats: set[str], *, end: Fraction) -> Fraction | None:
    """The length that a file states for all its streams, where even the longest of them falls short of it."""
    if "avi" in formats:
        stated = avi_length(Path(container.name.removeprefix("file:"))) or Fraction(0)
    elif container.duration is None or not formats & _HEADERS_WITH_LENGTH - {"mp3", "wav"}:
        return None
    else:
        stated = Fraction(container.duration, 1_000_000)
    return stated if falls_short(read=end, stated=stated) else None


def _placed(tracks: dict[int, _Track], container: InputContainer, parts: int) -> dict[int, StreamClock]:
    offsets = _offsets(list(tracks.values()), parts)
    formats = set(container.format.name.split(","))
    ends = {index: track.end(offsets) for index, track in tracks.items()}
    by_file = _stated_by_file(container, formats, end=max(ends.values(), default=Fraction(0)))
    clocks = {}
    for index, track in tracks.items():
        own = sorted(track.parts.items())
        holes = tuple(track.holes(offsets))
        clocks[index] = StreamClock(
            begins=tuple(part.begin for _, part in own) or (0,),
            offsets=tuple(offsets[number] for number, _ in own) or (Fraction(0),),
            start=own[0][1].lowest * track.tick + offsets[own[0][0]] if own else Fraction(0),
            end=ends[index],
            stated=track.stated_length() if by_file is None else by_file,
            rate_varies=bool(holes),
            usual=track.usual_gap() * track.tick,
            holes=holes,
        )
    return clocks


def _offsets(tracks: list[_Track], parts: int) -> list[Fraction]:
    """What every part's times need added, so that it begins where the longest stream of the one before ended."""
    offsets, end = [], None
    for number in range(parts):
        found = [(track.parts[number], track.tick) for track in tracks if number in track.parts]
        start = min((part.lowest * tick for part, tick in found), default=Fraction(0))
        offsets.append(Fraction(0) if end is None else end - start)
        end = max((part.end * tick for part, tick in found), default=start) + offsets[-1]
    return offsets
