"""What the headers of files say, where FFmpeg does not pass it on: lengths, and files hidden behind the first one."""

from __future__ import annotations

import re
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import BinaryIO, Final, Literal

from stages.errors import StageError

_BLOCK: Final = 1 << 20
_OVERLAP: Final = 32

_BEGINNINGS: Final = tuple(
    re.compile(pattern, re.DOTALL)
    for pattern in (
        rb"(?:RIFF|RIFX|RF64|FORM).{4}(?:WAVE|AIF[FC])",
        rb"caff\x00\x01\x00\x00",
        rb"FLV\x01[\x01\x04\x05]\x00\x00\x00\x09",
        rb"riff\x2e\x91\xcf\x11\xa5\xd6\x28\xdb\x04\xc1\x00\x00",
    )
)
"""How files of the kinds begin whose reader stops where the header says."""

_UNKNOWN_SIZES: Final = range(0x7FFF_0000, 1 << 33)
"""Bytes of sound that a WAV header states when it was written before the sound was: no such file could be larger."""


def check_not_joined(path: Path, end: int, *, family: type[StageError], noun: str) -> None:
    """See that behind byte `end`, where its last packet ends, a file does not begin anew.

    Raises:
        StageError: As `family`, with code ``<noun>_joined``.
    """
    with path.open("rb") as file:
        head = file.read(_OVERLAP)
        beginning = next((each for each in _BEGINNINGS if each.match(head)), None)
        if is_mp4(head):
            is_joined = _index_count(file) > 1
        else:
            is_joined = beginning is not None and _is_found(file, beginning, start=max(end, _OVERLAP))
    if is_joined:
        raise family(
            code=f"{noun}_joined",
            what="several files were written one behind the other here, and only the first of them can be read",
            hint="join them with FFmpeg: list them, a line \"file 'NAME'\" each, and run "
            "ffmpeg -f concat -safe 0 -i LIST -c copy OUT",
            where=str(path),
        )


def lacks_index(path: Path) -> bool:
    """Whether a file of the MP4 family ends before its index, without which nothing in it can be found."""
    with path.open("rb") as file:
        return is_mp4(file.read(_OVERLAP)) and _index_count(file) == 0


def tagged_end(tags: Mapping[str, str]) -> Fraction | None:
    """When a stream of a Matroska file ends, in seconds, as its tags state it; None where they do not.

    FFmpeg gives a stream without that tag the length of the whole file, which may be another stream's.
    """
    found = next((text for name, text in tags.items() if name.partition("-")[0] == "DURATION"), "")
    match = re.fullmatch(r"(\d{1,6}):([0-5]\d):([0-5]\d(?:\.\d{1,12})?)", found, re.ASCII)
    return None if match is None else int(match[1]) * 3600 + int(match[2]) * 60 + Fraction(match[3])


def wave_length(path: Path) -> Fraction | None:
    """Seconds of sound that the header of a WAV file states, however much there is; None where it states none."""
    with path.open("rb") as file:
        head = file.read(12)
        order: Literal["big", "little"] = "big" if head[:4] == b"RIFX" else "little"
        long_size = 0
        bytes_a_second = 0
        while len(entry := file.read(8)) == 8:
            name, size = entry[:4], int.from_bytes(entry[4:], order)
            if name == b"data":
                size = long_size if head[:4] == b"RF64" else size
                is_known = size > 0 and (size not in _UNKNOWN_SIZES or head[:4] == b"RF64")
                return Fraction(size, bytes_a_second) if is_known and bytes_a_second else None
            body = file.read(size + size % 2) if size < _BLOCK else b""
            if name == b"fmt ":
                bytes_a_second = int.from_bytes(body[8:12], order)
            elif name == b"ds64":
                long_size = int.from_bytes(body[8:16], order)
            elif size >= _BLOCK:
                file.seek(size + size % 2, 1)
        return None


def avi_length(path: Path) -> Fraction | None:
    """Seconds of picture that the header of an AVI file states; None where it states none."""
    with path.open("rb") as file:
        head = file.read(4096)
    start = head.find(b"avih") + 8
    microseconds, frames = (
        int.from_bytes(head[start + offset : start + offset + 4], "little") for offset in (0, 16)
    )
    return Fraction(microseconds * frames, 1_000_000) if start >= 8 and microseconds * frames else None


def mp3_states_length(path: Path) -> bool:
    """Whether the first frame of an MP3 file says how many there are; FFmpeg guesses where it does not."""
    with path.open("rb") as file:
        head = file.read(10)
        if head[:3] == b"ID3":
            # Seven bits a byte.
            file.seek(10 + sum(part << shift for part, shift in zip(head[6:], (21, 14, 7, 0), strict=False)))
        else:
            file.seek(0)
        frame = file.read(4096)
    return any(mark in frame for mark in (b"Xing", b"Info", b"VBRI"))


def is_mp4(head: bytes) -> bool:
    """Whether a file that begins so is one of the MP4 family."""
    return head[4:8] == b"ftyp"


def _is_found(file: BinaryIO, beginning: re.Pattern[bytes], *, start: int) -> bool:
    file.seek(start)
    tail = b""
    while block := file.read(_BLOCK):
        if beginning.search(tail + block):
            return True
        tail = block[-_OVERLAP:]
    return False


def _index_count(file: BinaryIO) -> int:
    """How many boxes "moov" a file of the MP4 family holds."""
    position = count = 0
    while True:
        file.seek(position)
        header = file.read(16)
        size, kind = int.from_bytes(header[:4]), header[4:8]
        if size == 1:
            size = int.from_bytes(header[8:16])
        count += kind == b"moov"
        # The last box may reach to the end of the file, whose size it then does not say.
        if len(header) < 8 or size < 8:
            return count
        position += size
