"""The media account of a recording: what was found in the file and what was done about it.

Whoever reads a file to its end makes the account on the way, so nothing is read twice for it. An ordinary file has
nothing to tell: no sentence comes from a field that keeps its default.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, fields, is_dataclass
from fractions import Fraction
from typing import Any, Final

from stages.media.tracks import TrackChoice
from stages.speech.downmix import ChannelAccount
from stages.speech.level import LevelAccount

Seconds = Fraction
"""Exact, from the beginning of the recording."""

_LISTED: Final = 20
"""Places that an account names; of more it has the number and the length alone."""
_TOLD: Final = 3
"""Places that a sentence names."""

_LEAD_TOLD: Final = Fraction(1, 4)
"""Seconds: cameras start sound and picture up to this much apart."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretches:
    """Stretches of time where something was found.

    Attributes:
        count: Number of them.
        seconds: Their length in all.
        first: (start, length) of the first of them, in order, in seconds.
    """

    count: int = 0
    seconds: Seconds = Fraction(0)
    first: tuple[tuple[Seconds, Seconds], ...] = ()

    def __bool__(self) -> bool:
        return self.count > 0

    def with_one(self, start: Seconds, length: Seconds = Fraction(0)) -> Stretches:
        """One more, of `length` seconds; 0 where it is a moment."""
        first = (*self.first, (start, length)) if len(self.first) < _LISTED else self.first
        return Stretches(count=self.count + 1, seconds=self.seconds + length, first=first)

    def places(self) -> str:
        """Where they are, for people: ``at 0:03.0``, ``at 5 places (0:03.0, 0:07.5, 1:00.2, ...)``."""
        told = ", ".join(clock_time(start) for start, _ in self.first[:_TOLD])
        if self.count == 1:
            return f"at {told}"
        return f"at {self.count} places ({told}{', ...' if self.count > _TOLD else ''})"


@dataclass(frozen=True, slots=True, kw_only=True)
class SoundAccount:
    """What was found in the sound of a file, and done about it.

    Attributes:
        read: Seconds of sound, silence that was filled in included.
        stated: Seconds of sound that the file says it holds; None where it says nothing.
        lead_silence: Seconds of silence before the first sample, because the picture starts earlier.
        gaps: Where the timestamps leave sound out: silence was filled in.
        ignored_lead: Seconds by which the sound is said to start after the picture, more than there is picture; 0 where
            it is not.
        repeated: Where timestamps step back for a moment: what lies at a time that was heard already was left out.
        jumps: Where the clock jumps ahead by more than is believed: the sound goes on without a gap.
        parts: Where the file's clock starts again: the next part follows the one before.
        damage: Packets that cannot be decoded and were skipped.
        tracks: The audio track that is heard, and what else there is.
        channels: How its channels are heard.
        level: How loud it is, and what was done about it.
    """

    read: Seconds = Fraction(0)
    stated: Seconds | None = None
    lead_silence: Seconds = Fraction(0)
    ignored_lead: Seconds = Fraction(0)
    gaps: Stretches = Stretches()
    jumps: Stretches = Stretches()
    repeated: Stretches = Stretches()
    parts: Stretches = Stretches()
    damage: Stretches = Stretches()
    tracks: TrackChoice = field(default_factory=TrackChoice)
    channels: ChannelAccount = field(default_factory=ChannelAccount)
    level: LevelAccount = field(default_factory=LevelAccount)

    def sentences(self) -> Iterator[str]:
        """What there is to tell, each a plain sentence without a full stop."""
        if self.lead_silence >= _LEAD_TOLD:
            yield f"{_length(self.lead_silence)} of silence come first, because the sound starts after the picture"
        if self.gaps:
            verb, noun = ("was", "a gap") if self.gaps.count == 1 else ("were", "gaps")
            yield (
                f"{_length(self.gaps.seconds)} of silence {verb} filled in {self.gaps.places()}, "
                f"where the sound has {noun}"
            )
        if self.ignored_lead:
            yield (
                f"the sound is said to start {_length(self.ignored_lead)} after the picture, "
                "longer than the picture is; they were taken to start together"
            )
        if self.jumps:
            yield f"the clock of the sound jumps ahead {self.jumps.places()}; no silence was filled in there"
        if self.repeated:
            yield (
                f"{_length(self.repeated.seconds)} of sound was left out {self.repeated.places()}, "
                "where its clock steps back"
            )
        if self.parts:
            yield f"the clock of the sound starts again {self.parts.places()}; the parts follow one another"
        if self.damage:
            yield f"damaged sound was skipped {self.damage.places()}"
        yield from _missing("sound", read=self.read, stated=self.stated)
        yield from self.tracks.sentences()
        yield from self.channels.sentences()
        yield from self.level.sentences()


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureAccount:
    """What was found in the picture of a file, and done about it.

    Attributes:
        read: Seconds of picture.
        stated: Seconds of picture that the file says it holds; None where it says nothing.
        gaps: Where a picture stands still for another that is missing.
        lost: Where the timestamps leave pictures out, be it a single one.
        lost_pictures: How many of the usual length these are.
        repeated: Recorded pictures that show the one before them once more, amid motion; known to who looks at them.
        parts: Where the file's clock starts again: the next part follows the one before.
        damage: Pictures that cannot be decoded and were skipped.
        misplaced: Pictures that were left out because an earlier one already has their time.
        frozen: Where the picture stands still although the file has pictures; known to who looks at them.
        shown: What was done to show the pictures as they are meant, each as "turned by 90 degrees".
    """

    read: Seconds = Fraction(0)
    stated: Seconds | None = None
    gaps: Stretches = Stretches()
    lost: Stretches = Stretches()
    lost_pictures: int = 0
    repeated: Stretches = Stretches()
    parts: Stretches = Stretches()
    damage: Stretches = Stretches()
    misplaced: Stretches = Stretches()
    frozen: Stretches = Stretches()
    shown: tuple[str, ...] = ()

    def sentences(self) -> Iterator[str]:
        """What there is to tell, each a plain sentence without a full stop."""
        if self.gaps:
            yield f"the picture is missing for {_length(self.gaps.seconds)} {self.gaps.places()}"
        if self.parts:
            yield f"the clock of the picture starts again {self.parts.places()}; the parts follow one another"
        if self.damage:
            yield f"damaged picture was skipped {self.damage.places()}"
        if self.misplaced:
            yield f"pictures with the time of an earlier one were left out {self.misplaced.places()}"
        if self.frozen:
            yield f"the picture stands still for {_length(self.frozen.seconds)} {self.frozen.places()}"
        yield from (f"the picture was {done}" for done in self.shown)
        yield from _missing("picture", read=self.read, stated=self.stated)


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaAccount:
    """The account of one file: of its sound, of its picture, or of both, as far as they were read."""

    sound: SoundAccount | None = None
    picture: PictureAccount | None = None

    def sentences(self) -> list[str]:
        """What a user should know of the file; empty for an ordinary one."""
        return [
            sentence
            for account in (self.picture, self.sound)
            if account is not None
            for sentence in account.sentences()
        ]

    def as_record(self) -> dict[str, Any]:
        """The account as plain data: seconds as numbers, to the microsecond."""
        return {
            name: _plain(account)
            for name, account in (("sound", self.sound), ("picture", self.picture))
            if account is not None
        }


def clock_time(time: Seconds) -> str:
    """A time as players show it: ``0:03.0``, ``1:02:03.5``."""
    tenths = int(time * 10 + Fraction(1, 2))
    minutes, rest = divmod(tenths, 600)
    hours, minutes = divmod(minutes, 60)
    start = f"{hours}:{minutes:02}" if hours else f"{minutes}"
    return f"{start}:{rest // 10:02}.{rest % 10}"


def _missing(noun: str, *, read: Seconds, stated: Seconds | None) -> Iterator[str]:
    if stated is not None and falls_short(read=read, stated=stated):
        yield f"the file says that it holds {_length(stated)} of {noun}, and {_length(read)} can be read"


def falls_short(*, read: Seconds, stated: Seconds) -> bool:
    """Whether so much is missing that no rounding of a header, codec delay or last frame explains it."""
    return stated - read > max(Fraction(1, 4), stated / 2000)


def _length(seconds: Seconds) -> str:
    return f"{float(seconds):.1f} s" if seconds >= 1 else f"{float(seconds):.3f} s"


def _plain(value: Any) -> Any:
    if isinstance(value, Fraction):
        return round(float(value), 6)
    if isinstance(value, tuple):
        return [_plain(each) for each in value]
    if is_dataclass(value):
        return {each.name: _plain(getattr(value, each.name)) for each in fields(value)}
    return value
