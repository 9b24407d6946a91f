"""A job's segments as one picture: a cell for each, or for several in a row where there are very many."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from farm.ledger import LedgerJob
from farm.page.words import SEGMENT_WORDS
from jobs.lifecycle import SegmentState
from jobs.plan import SEGMENT_FRAMES

MOST_CELLS: Final = 400
"""In a page: with more, a browser is slow to draw them, and nobody can point at one."""

# What somebody should see first where a cell stands for several.
_FIRST_SEEN: Final = (
    SegmentState.FAILED,
    SegmentState.QUARANTINED,
    SegmentState.SUSPECT,
    SegmentState.LEASED,
    SegmentState.READY,
    SegmentState.BLOCKED,
    SegmentState.WAIVED,
    SegmentState.COMMITTED,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One cell.

    Attributes:
        first, last: Segments that it stands for, counted through all takes.
        key: Names its colour and shape.
        words: Whatever colour and shape say.
    """

    first: int
    last: int
    key: str
    words: str

    @property
    def address(self) -> str:
        """The end of the address of its page."""
        return f"{self.first}" if self.first == self.last else f"{self.first}-{self.last}"


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentGrid:
    """All cells of a take.

    Attributes:
        take: Counted from 1.
        each: Segments that a cell stands for.
    """

    take: int
    each: int
    cells: tuple[Cell, ...]


def grids_of(job: LedgerJob) -> tuple[SegmentGrid, ...]:
    """A grid for each take; none before the job is planned, or where it is done in one piece."""
    if not job.is_planned or job.is_whole:
        return ()
    states = job.segments[:]
    each = -(-len(states) // MOST_CELLS)
    return tuple(
        SegmentGrid(
            take=take + 1,
            each=each,
            cells=cells_of(
                states, first=take * job.segments_per_take, count=job.segments_per_take, each=each
            ),
        )
        for take in range(job.takes)
    )


def cells_of(states: Sequence[SegmentState], *, first: int, count: int, each: int) -> tuple[Cell, ...]:
    """Cells for some segments.

    Args:
        states: Of all segments of the job.
        first: The first of them that a cell stands for.
        count: So many segments.
        each: So many in one cell; the last may have fewer.
    """
    stop = first + count
    return tuple(_cell(states, start, min(start + each, stop) - 1) for start in range(first, stop, each))


def frames_of(job: LedgerJob, segment: int) -> tuple[int, int]:
    """First and last frame of a segment in its take; of the last segment there may be fewer."""
    begin = segment % job.segments_per_take * SEGMENT_FRAMES
    return begin, begin + SEGMENT_FRAMES - 1


def _cell(states: Sequence[SegmentState], first: int, last: int) -> Cell:
    counts = Counter(states[first : last + 1])
    shown = next(state for state in _FIRST_SEEN if counts[state])
    if first == last:
        words = f"Segment {first}: {SEGMENT_WORDS[shown].name}"
    else:
        told = ", ".join(
            f"{counts[state]} {SEGMENT_WORDS[state].name}" for state in _FIRST_SEEN if counts[state]
        )
        words = f"Segments {first} to {last}: {told}"
    return Cell(first=first, last=last, key=SEGMENT_WORDS[shown].key, words=words)
