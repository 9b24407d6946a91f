"""The chained hash: an entry's covers all entries before it, so that none can change, vanish or move unnoticed."""

from __future__ import annotations

import hashlib
import math
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from infra.journal.base import Entry

NO_ENTRY: Final = bytes(32)
"""Hash of the journal without entries."""


@dataclass(frozen=True, slots=True)
class Link:
    """An entry and the hash of the journal up to it."""

    entry: Entry
    chain: bytes


def chain_of(previous: bytes, entry: Entry) -> bytes:
    """SHA-256 of the hash before, and of the entry's sequence, epoch, time and body."""
    numbers = struct.pack(">qqd", entry.sequence, entry.epoch, entry.at)
    # A damaged text may be no UTF-8; it is hashed as the bytes it came from.
    return hashlib.sha256(previous + numbers + entry.body.encode("utf-8", "surrogateescape")).digest()


def linked(bodies: Iterable[str], *, sequence: int, chain: bytes, epoch: int, at: float) -> Iterator[Link]:
    """New entries behind the one with this sequence and chain."""
    for number, body in enumerate(bodies, sequence + 1):
        entry = Entry(sequence=number, epoch=epoch, at=at, body=body)
        chain = chain_of(chain, entry)
        yield Link(entry, chain)


def check_writable(bodies: Iterable[str], *, at: float) -> None:
    """Refuse what a database would change or refuse only in part.

    Raises:
        ValueError: A text is no valid Unicode or has a zero byte, or the time is no number: a caller's bug.
    """
    if not math.isfinite(at):
        raise ValueError("the time of an entry is a number")
    for body in bodies:
        if "\0" in body:
            raise ValueError("a text of the journal has no zero byte")
        body.encode("utf-8")
