"""Captions that a studio hands in, SubRip or WebVTT: checked cue by cue, and as players get them.

A file is read strictly, unlike a player reads it: what is shown wrong, or not at all, must be known before a master is
delivered with it.
"""

from __future__ import annotations

import hashlib
import html
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Final, Literal

from stages.errors import CaptionsError

LARGEST_BYTES: Final = 1_000_000
LONGEST_CUE: Final = 2_000
"""Characters of one cue, its marks included; a screen holds two hundred."""

MOST_AT_ONCE: Final = 8
"""Cues that are shown at the same time: each stands below the others, in every span between two of their times."""

_MILLISECONDS: Final = 1000
_TIME: Final = r"(-?)(?:(\d{1,4}):)?(\d{1,4}):(\d{1,4})[.,](\d{3})"
_TIMES: Final = re.compile(rf"\s*{_TIME}\s*-->\s*{_TIME}(?:\s+(.*))?\s*", re.ASCII)
_ARROW: Final = "-->"
_BLOCKS_WITHOUT_CUES: Final = ("NOTE", "STYLE", "REGION")
_VTT_MARK: Final = re.compile(r"</?[A-Za-z0-9:.][^<>]*>|</>")
_SRT_MARK: Final = re.compile(r"</?(?:b|i|u|s|font)(?:\s[^<>]*)?>|\{\\[^{}]*\}", re.IGNORECASE)
_CONTROLS: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")

CaptionsWritten = Literal["srt", "vtt"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cue:
    """Words that are shown for a while.

    Attributes:
        number: Its place in the file, from 1.
        start_ms, end_ms: From the beginning of the master; the end is after the start.
        text: Plain, without marks; lines are divided by line feeds.
        vtt: The same as a file of WebVTT has it, marks included.
        settings: Where a WebVTT player shows it; empty where nothing is said.
    """

    number: int
    start_ms: int
    end_ms: int
    text: str
    vtt: str
    settings: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Captions:
    """A file of cues that was checked.

    Attributes:
        cues: In order of their starts.
        form: How the file is written.
        language: Tag of their language; empty where nobody says.
        data: The file.
    """

    cues: tuple[Cue, ...]
    form: CaptionsWritten
    language: str
    data: bytes

    @property
    def sha256(self) -> str:
        """Hash of the file."""
        return hashlib.sha256(self.data).hexdigest()

    @property
    def identity(self) -> str:
        """Hash of the file and of what is said of it: all that captions add to a master."""
        said = f"{self.form} {self.language}\n".encode()
        return hashlib.sha256(said + self.data).hexdigest()

    def check_length(self, *, frame_count: int, fps: Fraction) -> list[str]:
        """Hold the cues against the length of the master.

        Returns:
            What a person should know: cues that are cut at its end.

        Raises:
            CaptionsError: A cue begins when the master is over (``captions_beyond_end``).
        """
        end_ms = frame_count * _MILLISECONDS / fps
        for cue in self.cues:
            if cue.start_ms >= end_ms:
                raise CaptionsError(
                    code="captions_beyond_end",
                    what=f"cue {cue.number} begins at {_shown(cue.start_ms)}, "
                    f"and the master ends at {_shown(int(end_ms))}",
                    hint="hand in the captions of this speech",
                )
        cut = [cue for cue in self.cues if cue.end_ms > end_ms]
        return [
            f"cue {cue.number} lasts until {_shown(cue.end_ms)}, and is cut at the master's end"
            for cue in cut
        ]

    def within(self, *, frame_count: int, fps: Fraction) -> Captions:
        """The same, cut at the end of the master."""
        end_ms = int(frame_count * _MILLISECONDS / fps)
        cues = tuple(replace(cue, end_ms=min(cue.end_ms, end_ms)) for cue in self.cues)
        return replace(self, cues=cues)

    def shown(self) -> list[tuple[int, int, str]]:
        """What stands on the screen: start, end and text of spans that follow one another.

        Where cues overlap, all that are shown at the time stand below one another.
        """
        edges = sorted({edge for cue in self.cues for edge in (cue.start_ms, cue.end_ms)})
        spans: list[tuple[int, int, str]] = []
        active: list[Cue] = []
        waiting = list(reversed(self.cues))
        for start, stop in pairwise(edges):
            while waiting and waiting[-1].start_ms <= start:
                active.append(waiting.pop())
            active = [cue for cue in active if cue.end_ms > start]
            if active:
                spans.append((start, stop, "\n".join(cue.text for cue in active)))
        return spans

    def as_vtt(self, *, start_ms: int, stop_ms: int) -> str:
        """The cues that are shown in [start_ms, stop_ms), as a file of WebVTT whose times are those of the master."""
        lines = ["WEBVTT", "X-TIMESTAMP-MAP=MPEGTS:0,LOCAL:00:00:00.000", ""]
        for cue in self.cues:
            if cue.start_ms < stop_ms and cue.end_ms > start_ms:
                times = f"{_shown(cue.start_ms)} {_ARROW} {_shown(cue.end_ms)}"
                lines += [f"{times} {cue.settings}".rstrip(), cue.vtt, ""]
        return "\n".join(lines) + "\n"


def read_captions(path: Path, *, form: CaptionsWritten, language: str = "") -> Captions:
    """Read and check a file of cues.

    Args:
        path: The file.
        form: How it is written.
        language: Tag of its language; empty where nobody says.

    Raises:
        CaptionsError: It cannot be read (``captions_unreadable``), is too large (``captions_too_large``), is no text
            (``captions_not_text``), has no cue (``captions_empty``), or one that is broken (``captions_bad_cue``), is
            out of order (``captions_out_of_order``), or lies at no time (``captions_bad_time``).
    """
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST_BYTES + 1)
    except OSError as error:
        raise CaptionsError(
            code="captions_unreadable",
            what=f"cannot be read: {(error.strerror or type(error).__name__).lower()}",
            where=str(path),
        ) from error
    return captions_of(data, form=form, language=language)


def captions_of(data: bytes, *, form: CaptionsWritten, language: str = "") -> Captions:
    """The cues of a file that was read. Args and errors as `read_captions`."""
    if len(data) > LARGEST_BYTES:
        raise CaptionsError(
            code="captions_too_large",
            what=f"is larger than {LARGEST_BYTES:,} bytes",
            hint="captions of an hour have 100,000",
        )
    blocks = _blocks(_text_of(data))
    if is_vtt(data) != (form == "vtt"):
        raise CaptionsError(
            code="captions_other_form",
            what="does not begin with WEBVTT" if form == "vtt" else "is WebVTT",
            hint="write spec.output.captions.form: srt" if form == "vtt" else "name it .vtt",
        )
    if form == "vtt" and any(_ARROW in line for line in next(blocks)):
        raise _bad_cue(1, "follows WEBVTT without an empty line")
    cues = tuple(_cues(blocks, form=form))
    if not cues:
        raise CaptionsError(code="captions_empty", what="has no cue", hint="leave spec.output.captions out")
    return Captions(cues=cues, form=form, language=language, data=data)


def is_vtt(data: bytes) -> bool:
    """Whether a file begins as WebVTT does."""
    return re.match(rb"(?:\xef\xbb\xbf)?WEBVTT(?:[ \t\r\n]|$)", data) is not None


def _text_of(data: bytes) -> str:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise CaptionsError(
            code="captions_not_text",
            what=f"is no UTF-8: byte {error.start} cannot be read",
            hint="save it as UTF-8",
        ) from error
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    found = _CONTROLS.search(text)
    if found is not None:
        line = text.count("\n", 0, found.start()) + 1
        raise CaptionsError(
            code="captions_not_text",
            what=f"line {line} holds a control character",
            hint="save it as plain text",
        )
    return text


def _blocks(text: str) -> Iterator[list[str]]:
    """Lines that follow one another without an empty one."""
    block: list[str] = []
    for line in text.split("\n"):
        if line.strip():
            block.append(line)
        elif block:
            yield block
            block = []
    if block:
        yield block


def _cues(blocks: Iterator[list[str]], *, form: CaptionsWritten) -> Iterator[Cue]:
    before, number = 0, 0
    ends_ms: list[int] = []
    for block in blocks:
        is_timed = any(_ARROW in line for line in block)
        if form == "vtt" and not is_timed and block[0].split()[0] in _BLOCKS_WITHOUT_CUES:
            continue
        number += 1
        cue = _cue(block, number=number, form=form)
        if cue.start_ms < before:
            raise CaptionsError(
                code="captions_out_of_order",
                what=f"cue {number} begins at {_shown(cue.start_ms)}, before the one ahead of it "
                f"({_shown(before)})",
                hint="sort the cues by their starts",
            )
        before = cue.start_ms
        ends_ms = [*(end_ms for end_ms in ends_ms if end_ms > cue.start_ms), cue.end_ms]
        if len(ends_ms) > MOST_AT_ONCE:
            raise _bad_cue(number, f"is shown while {MOST_AT_ONCE} others are: no screen holds more at once")
        yield cue


def _cue(block: Sequence[str], *, number: int, form: CaptionsWritten) -> Cue:
    at = 0 if _ARROW in block[0] else 1
    found = _TIMES.fullmatch(block[at]) if len(block) > at else None
    if found is None:
        said = " ".join(block[min(at, len(block) - 1)].split())[:60]
        raise _bad_cue(number, f"has no line with its times where '{said}' stands")
    start_ms, end_ms = _time(found.groups()[:5], number), _time(found.groups()[5:10], number)
    if end_ms <= start_ms:
        raise CaptionsError(
            code="captions_bad_time",
            what=f"cue {number} ends at {_shown(end_ms)}, not after its start at {_shown(start_ms)}",
            hint="correct its times",
        )
    lines = "\n".join(block[at + 1 :])
    if _ARROW in lines:
        raise _bad_cue(number, f"holds {_ARROW} in its text: an empty line is missing before the next cue")
    if len(lines) > LONGEST_CUE:
        raise _bad_cue(number, f"has {len(lines)} characters, more than {LONGEST_CUE}")
    if form == "vtt":
        text, vtt = html.unescape(_VTT_MARK.sub("", lines)), lines
    else:
        text = _SRT_MARK.sub("", lines)
        vtt = html.escape(text, quote=False)
    if not text.strip():
        raise _bad_cue(number, "has no text")
    settings = (found[11] or "").strip() if form == "vtt" else ""
    return Cue(number=number, start_ms=start_ms, end_ms=end_ms, text=text, vtt=vtt, settings=settings)


def _time(parts: Sequence[str | None], number: int) -> int:
    sign, hours, minutes, seconds, thousandths = parts
    shown = f"{sign}{hours or '00'}:{minutes}:{seconds}.{thousandths}"
    if sign:
        raise CaptionsError(
            code="captions_bad_time",
            what=f"cue {number} has a time before the beginning: {shown}",
            hint="correct its times",
        )
    if int(minutes or 0) > 59 or int(seconds or 0) > 59:
        raise CaptionsError(
            code="captions_bad_time",
            what=f"cue {number} has a time that no clock shows: {shown}",
            hint="minutes and seconds go up to 59",
        )
    whole = (int(hours or 0) * 60 + int(minutes or 0)) * 60 + int(seconds or 0)
    return whole * _MILLISECONDS + int(thousandths or 0)


def _shown(time_ms: int) -> str:
    seconds, thousandths = divmod(time_ms, _MILLISECONDS)
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}.{thousandths:03d}"


def _bad_cue(number: int, what: str) -> CaptionsError:
    return CaptionsError(
        code="captions_bad_cue", what=f"cue {number} {what}", hint="correct it, or leave it out"
    )
