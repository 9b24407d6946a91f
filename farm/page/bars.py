"""Bars of states: pieces of one hundred parts, so that no style has to say how wide they are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from farm.page.words import GROUP_NAMES, SEGMENT_WORDS, states_of


@dataclass(frozen=True, slots=True, kw_only=True)
class BarPiece:
    """A part of a bar.

    Attributes:
        key: Names its colour.
        start, width: In percent of the bar.
    """

    key: str
    name: str
    count: int
    start: float
    width: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """Pieces from left to right, and all of it in words for whoever does not see it."""

    pieces: tuple[BarPiece, ...]
    words: str


def bar_of_segments(states: Mapping[str, int], total: int) -> Bar:
    """A job's segments by state."""
    return _bar(
        ((words.key, words.name, states.get(state.value, 0)) for state, words in SEGMENT_WORDS.items()), total
    )


def bar_of_counts(states: Mapping[str, int]) -> Bar:
    """A studio's jobs by group of states."""
    groups = (
        (group.value, name, sum(states.get(state, 0) for state in states_of(group)))
        for group, name in GROUP_NAMES.items()
    )
    return _bar(groups, sum(states.values()))


def _bar(parts: Iterable[tuple[str, str, int]], total: int) -> Bar:
    pieces, before = [], 0
    for key, name, count in parts:
        if count:
            start, width = round(100 * before / total, 3), round(100 * count / total, 3)
            pieces.append(BarPiece(key=key, name=name, count=count, start=start, width=width))
            before += count
    return Bar(pieces=tuple(pieces), words=", ".join(f"{piece.count} {piece.name}" for piece in pieces))
