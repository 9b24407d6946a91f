"""Frames of the time grid that stand for something else than was filmed then: shown, but never learnt from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum


class Unfit(StrEnum):
    """Why nothing is to be learnt from a frame."""

    LOST = "lost"
    """An earlier picture stands there, because the file has none for its time."""
    DAMAGED = "damaged"
    """Its picture was decoded from damaged data."""
    FROZEN = "frozen"
    """The picture stands still although time goes on."""
    COVERED = "covered"
    """A hand is before the face."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UnfitFrames:
    """Frames [start, stop), and what is wrong with them: a value of `Unfit`."""

    start: int
    stop: int
    reason: str


def joined(spans: Iterable[UnfitFrames]) -> tuple[UnfitFrames, ...]:
    """Spans in order of time, those of one reason that touch made one."""
    result: list[UnfitFrames] = []
    for span in sorted(spans, key=lambda each: (each.reason, each.start)):
        last = result[-1] if result else None
        if last is not None and last.reason == span.reason and span.start <= last.stop:
            result[-1] = replace(last, stop=max(last.stop, span.stop))
        else:
            result.append(span)
    return tuple(sorted(result, key=lambda each: (each.start, each.stop, each.reason)))


def within(spans: Iterable[UnfitFrames], *, start: int, stop: int) -> tuple[UnfitFrames, ...]:
    """The part of spans inside [start, stop), counted from `start`."""
    cut = (
        replace(span, start=max(span.start, start) - start, stop=min(span.stop, stop) - start)
        for span in spans
    )
    return tuple(span for span in cut if span.start < span.stop)


def fit_runs(spans: Sequence[UnfitFrames], *, start: int, stop: int) -> list[range]:
    """The longest runs of frames in [start, stop) without an unfit one, in order."""
    runs: list[range] = []
    for span in sorted(spans, key=lambda each: each.start):
        if start < min(span.start, stop):
            runs.append(range(start, min(span.start, stop)))
        start = max(start, span.stop)
    return [*runs, range(start, stop)] if start < stop else runs


def fit_frames(spans: Sequence[UnfitFrames], *, start: int, stop: int) -> list[int]:
    """The frames in [start, stop) that may be learnt from."""
    return [frame for run in fit_runs(spans, start=start, stop=stop) for frame in run]
