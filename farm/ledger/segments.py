"""States of a job's segments: one byte each while it lives, a few runs of equal ones once it is over."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import overload

from jobs.lifecycle import SegmentState

# Snapshots hold these letters, so a state keeps its own whatever becomes of the others.
_CODES = {
    SegmentState.BLOCKED: ord("b"),
    SegmentState.READY: ord("r"),
    SegmentState.LEASED: ord("l"),
    SegmentState.SUSPECT: ord("s"),
    SegmentState.QUARANTINED: ord("q"),
    SegmentState.COMMITTED: ord("c"),
    SegmentState.WAIVED: ord("w"),
    SegmentState.FAILED: ord("f"),
}
_STATES = {code: state for state, code in _CODES.items()}


class SegmentStates(Sequence[SegmentState]):
    """State of each segment, by its number."""

    __slots__ = ("_codes", "_packed")

    def __init__(self, count: int = 0) -> None:
        """So many segments, all of them BLOCKED."""
        self._codes: bytearray | None = bytearray([_CODES[SegmentState.BLOCKED]]) * count
        self._packed: tuple[tuple[int, int], ...] = ()

    @classmethod
    def from_text(cls, text: str) -> SegmentStates:
        """The inverse of `text`.

        Raises:
            ValueError: It is no such text.
        """
        states = cls()
        try:
            states._codes = bytearray(zlib.decompress(base64.b64decode(text, validate=True)))
        except (TypeError, zlib.error) as error:
            raise ValueError("no states of segments") from error
        if not _STATES.keys() >= set(states._codes):
            raise ValueError("a state of a segment that this version does not know")
        return states

    def text(self) -> str:
        """All of it as a short text of ASCII; a few bytes where neighbours are alike."""
        return base64.b64encode(zlib.compress(self._unpacked(), level=1)).decode("ascii")

    def count(self, value: SegmentState) -> int:
        """How many segments are in the state."""
        code = _CODES[value]
        if self._codes is not None:
            return self._codes.count(code)
        return sum(count for other, count in self._packed if other == code)

    def numbers(self, state: SegmentState) -> Iterator[int]:
        """Segments in the state, in order."""
        return (number for number, other in enumerate(self) if other is state)

    def change(self, number: int, state: SegmentState) -> None:
        """Set the state of one segment."""
        is_packed = self._codes is None
        codes = self._unpacked()
        codes[number] = _CODES[state]
        if is_packed:
            self._packed = _runs_of(codes)
        else:
            self._codes = codes

    def pack(self) -> None:
        """Need as little memory as can be; changes are slow from here on."""
        if self._codes is not None:
            self._packed, self._codes = _runs_of(self._codes), None

    def unpack(self) -> None:
        """Make changes quick again."""
        self._codes, self._packed = self._unpacked(), ()

    def __len__(self) -> int:
        if self._codes is not None:
            return len(self._codes)
        return sum(count for _, count in self._packed)

    def __iter__(self) -> Iterator[SegmentState]:
        return (_STATES[code] for code in self._unpacked())

    @overload
    def __getitem__(self, index: int) -> SegmentState: ...

    @overload
    def __getitem__(self, index: slice) -> tuple[SegmentState, ...]: ...

    def __getitem__(self, index: int | slice) -> SegmentState | tuple[SegmentState, ...]:
        codes = self._unpacked()
        if isinstance(index, slice):
            return tuple(_STATES[code] for code in codes[index])
        return _STATES[codes[index]]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SegmentStates) and self._unpacked() == other._unpacked()

    __hash__ = None  # type: ignore[assignment]  # it changes

    def __repr__(self) -> str:
        runs = self._packed if self._codes is None else _runs_of(self._codes)
        return f"SegmentStates({', '.join(f'{count} {_STATES[code].value}' for code, count in runs)})"

    def _unpacked(self) -> bytearray:
        if self._codes is not None:
            return self._codes
        return bytearray().join(bytes([code]) * count for code, count in self._packed)


def _runs_of(codes: bytearray) -> tuple[tuple[int, int], ...]:
    return tuple((code, len(list(same))) for code, same in groupby(codes))
