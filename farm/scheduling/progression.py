"""Decides what to dispatch next in one render: events in, actions out.

    window done ──► every segment whose windows are all there ──► face ──► render and commit ──► finished

The order is fixed (take, then index), but nothing here decides a byte of the result: any order of events renders
the same segments. Three brakes keep memory flat for a speech of any length: units in flight per pool, windows whose
motion is held, and faces that wait for a renderer.

Why the brakes cannot lock up: windows are dispatched in order, so while the oldest segment lacks a window, all windows
held are its own; with room for one segment's windows there is always room for the next one it lacks. A held face
only waits for a renderer, never for another face.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from farm.scheduling.failure import FailureBudget, FailureLedger
from farm.scheduling.units import (
    Action,
    Dispatch,
    Done,
    Event,
    Lost,
    Release,
    SegmentNeeds,
    Stage,
    Unit,
)
from jobs.states import SegmentEvent, SegmentState, next_state


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The brakes.

    Attributes:
        in_flight: Units that a pool holds at once: replicas x slots (one running, one waiting beside it).
        windows_held: Windows dispatched or done whose motion is still needed. Raised by the progression to the
            number of windows of the neediest segment where it is smaller.
        faces_held: Posed faces dispatched or done whose segment is not committed.
    """

    in_flight: Mapping[Stage, int]
    windows_held: int
    faces_held: int

    def __post_init__(self) -> None:
        if min(*self.in_flight.values(), self.windows_held, self.faces_held) < 1 or set(
            self.in_flight
        ) != set(Stage):
            raise ValueError("every pool and both memory brakes need room for at least one unit")


class Progression:
    """The state of one render, from the first window to the last commit.

    Call `start` once, then `on` with every event; carry out the actions they return, in order.
    """

    def __init__(
        self, *, segments: Iterable[SegmentNeeds], limits: Limits, budget: FailureBudget | None = None
    ) -> None:
        """Args: segments: those still to be rendered; committed ones are simply left out."""
        self._limits = limits
        self._ledger = FailureLedger(budget or FailureBudget())
        self._attempts: dict[Unit, int] = {}
        self._in_flight: dict[Stage, set[Unit]] = {stage: set() for stage in Stage}
        self._ready: dict[Stage, list[Unit]] = {stage: [] for stage in Stage}
        self._lacking: dict[Unit, set[Unit]] = {}
        self._needs: dict[Unit, tuple[Unit, ...]] = {}
        self._users: dict[Unit, set[Unit]] = {}
        self._windows_held: set[Unit] = set()
        self._faces_held: set[Unit] = set()
        self._states: dict[Unit, SegmentState] = {}
        self._uncommitted = 0
        self._given_up = False
        for segment in segments:
            self._enrol(segment)
        self._ready[Stage.MOTION] = sorted(self._users)
        neediest = max((len(needs) for needs in self._needs.values()), default=1)
        self._windows_limit = max(limits.windows_held, neediest)

    @property
    def is_finished(self) -> bool:
        """Every segment is committed."""
        return self._uncommitted == 0

    @property
    def is_given_up(self) -> bool:
        """A unit spent its budget; the render will never finish."""
        return self._given_up

    @property
    def states(self) -> Mapping[Unit, SegmentState]:
        """Where every segment stands, under its render unit."""
        return MappingProxyType(self._states)

    def in_flight(self, stage: Stage) -> frozenset[Unit]:
        """Units dispatched to the stage's pool and not yet answered."""
        return frozenset(self._in_flight[stage])

    def start(self) -> list[Action]:
        """The first dispatches."""
        return list(self._fill())

    def on(self, event: Event) -> list[Action]:
        """Take in what happened to a unit in flight.

        Raises:
            ValueError: The unit is not in flight: the caller reports something that cannot have happened.
        """
        unit = event.unit
        if unit not in self._in_flight[unit.stage]:
            raise ValueError(f"{unit} is not in flight")
        self._in_flight[unit.stage].remove(unit)
        if self._given_up:
            return []
        if isinstance(event, Done):
            return [*self._advance(unit), *self._fill()]
        self._note(
            unit, SegmentEvent.ATTEMPT_LOST if isinstance(event, Lost) else SegmentEvent.ATTEMPT_FAILED
        )
        verdict = self._ledger.charge(event)
        if verdict is not None:
            self._given_up = True
            self._note(unit, SegmentEvent.GAVE_UP)
            return [verdict]
        # Give its place up with it: an earlier unit may have become ready since, and is now first in line.
        self._windows_held.discard(unit)
        self._faces_held.discard(unit)
        heapq.heappush(self._ready[unit.stage], unit)
        return list(self._fill())

    def _enrol(self, segment: SegmentNeeds) -> None:
        face = Unit(segment.take, segment.index, Stage.FACE)
        if face in self._needs or not segment.windows:
            raise ValueError(f"{face} is given twice, or needs no window")
        windows = tuple(Unit(segment.take, window, Stage.MOTION) for window in segment.windows)
        self._needs[face] = windows
        self._lacking[face] = set(windows)
        for window in windows:
            self._users.setdefault(window, set()).add(face)
        self._states[_segment(face)] = SegmentState.BLOCKED
        self._uncommitted += 1

    def _note(self, unit: Unit, event: SegmentEvent) -> None:
        """Keep the segment's state; attempts of windows and faces are not part of a segment's life."""
        if unit.stage is Stage.RENDER:
            self._states[unit] = next_state(self._states[unit], event)

    def _advance(self, unit: Unit) -> Iterable[Action]:
        """Follow the unit's result to the units that waited for it."""
        if unit.stage is Stage.MOTION:
            for face in sorted(self._users[unit]):
                self._lacking[face].discard(unit)
                if not self._lacking[face]:
                    self._note(_segment(face), SegmentEvent.MOTION_MERGED)
                    heapq.heappush(self._ready[Stage.FACE], face)
        elif unit.stage is Stage.FACE:
            heapq.heappush(self._ready[Stage.RENDER], _segment(unit))
            for window in self._needs[unit]:
                self._users[window].remove(unit)
                if not self._users[window]:
                    self._windows_held.remove(window)
                    yield Release(window)
        else:
            face = Unit(unit.take, unit.index, Stage.FACE)
            self._note(unit, SegmentEvent.COMMITTED)
            self._uncommitted -= 1
            self._faces_held.remove(face)
            yield Release(face)

    def _fill(self) -> Iterable[Action]:
        """Dispatch what is ready, as far as the brakes allow; the last stage first, so that memory drains."""
        yield from self._fill_pool(Stage.RENDER, held=set(), limit=1)
        yield from self._fill_pool(Stage.FACE, held=self._faces_held, limit=self._limits.faces_held)
        yield from self._fill_pool(Stage.MOTION, held=self._windows_held, limit=self._windows_limit)

    def _fill_pool(self, stage: Stage, *, held: set[Unit], limit: int) -> Iterable[Action]:
        ready, in_flight = self._ready[stage], self._in_flight[stage]
        holds_memory = stage is not Stage.RENDER
        while ready and len(in_flight) < self._limits.in_flight[stage]:
            if holds_memory and len(held) >= limit:
                return
            unit = heapq.heappop(ready)
            in_flight.add(unit)
            if holds_memory:
                held.add(unit)
            self._note(unit, SegmentEvent.LEASED)
            self._attempts[unit] = self._attempts.get(unit, 0) + 1
            yield Dispatch(unit, self._attempts[unit])


def _segment(unit: Unit) -> Unit:
    """The render unit of the segment that a face belongs to."""
    return Unit(unit.take, unit.index, Stage.RENDER)
