"""What must be there before a segment can be rendered: the windows and faces of one job, a little ahead of its turn.

    window done ──► every face whose windows are all there ──► face done ──► its segment may be leased

Segments come in rounds: previews first, then the rest, later what a user puts back in line. Inside a round windows and
faces are handed out in order of time. A window that two rounds need is predicted twice; it gives the same motion.

Two brakes keep memory flat for a speech of any length: windows whose motion is held, and faces whose segment is not
settled. They cannot lock up: windows are handed out in order, so while the oldest face lacks a window, all windows held
are its own; with room for one segment's windows there is always room for the next one it lacks. A face only waits for
its segment, never for another face; and no segment has a place with a replica before its face is composed.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from farm.scheduling.units import SegmentNeeds, Stage, Unit


@dataclass(slots=True)
class _Round:
    """Segments that are worked on together.

    Attributes:
        needs: The windows of every face that is not composed yet.
        lacking: Those of them whose motion is not there.
        users: The faces that still need a window.
        windows, faces: What can be handed out; heaps.
    """

    needs: dict[Unit, tuple[Unit, ...]] = field(default_factory=dict)
    lacking: dict[Unit, set[Unit]] = field(default_factory=dict)
    users: dict[Unit, set[Unit]] = field(default_factory=dict)
    windows: list[Unit] = field(default_factory=list)
    faces: list[Unit] = field(default_factory=list)


class UpstreamOrder:
    """Hands out windows and faces of one job. Pure: no clock, no arrays."""

    def __init__(self, *, windows_ahead: int, faces_ahead: int) -> None:
        """Start with nothing to do.

        Args:
            windows_ahead: Windows handed out or held; raised to what the neediest segment needs.
            faces_ahead: Faces handed out or held until their segment is settled.
        """
        if min(windows_ahead, faces_ahead) < 1:
            raise ValueError("there must be room for at least one window and one face")
        self._windows_ahead = windows_ahead
        self._faces_ahead = faces_ahead
        self._rounds: deque[dict[Unit, SegmentNeeds]] = deque()
        self._round = _Round()
        self._windows_limit = windows_ahead
        self._windows_held: set[Unit] = set()
        self._faces_held: set[Unit] = set()
        self._out: set[Unit] = set()

    @property
    def out(self) -> frozenset[Unit]:
        """Windows and faces that are handed out."""
        return frozenset(self._out)

    @property
    def windows_held(self) -> frozenset[Unit]:
        """Windows handed out, or done and still needed."""
        return frozenset(self._windows_held)

    @property
    def faces_held(self) -> frozenset[Unit]:
        """Faces handed out, or composed and not settled."""
        return frozenset(self._faces_held)

    def holds(self, face: Unit) -> bool:
        """The face is composed, and its segment is not settled."""
        return face in self._faces_held and face not in self._out

    def expects(self, face: Unit) -> bool:
        """The face is composed or still to come. One that is out and that nobody wanted any more does not count."""
        return self.holds(face) or face in self._round.needs or any(face in later for later in self._rounds)

    def add(self, segments: Iterable[SegmentNeeds]) -> None:
        """Another round, after all rounds before it."""
        self._rounds.append({Unit(each.take, each.index, Stage.FACE): each for each in segments})
        self._begin_round()

    def next(self, stage: Stage) -> Unit | None:
        """What can be handed out now, if anything; `take` it before asking again."""
        if stage is Stage.MOTION:
            has_room = len(self._windows_held) < self._windows_limit
            return self._round.windows[0] if self._round.windows and has_room else None
        has_room = len(self._faces_held) < self._faces_ahead
        return self._round.faces[0] if self._round.faces and has_room else None

    def take(self, unit: Unit) -> None:
        """The unit that `next` gave is handed out."""
        ready = self._round.windows if unit.stage is Stage.MOTION else self._round.faces
        if heapq.heappop(ready) != unit:
            raise ValueError(f"{unit} was not next")
        self._out.add(unit)
        (self._windows_held if unit.stage is Stage.MOTION else self._faces_held).add(unit)

    def put_back(self, unit: Unit) -> None:
        """The unit came to nothing: it may be handed out again, in its place."""
        self._out.remove(unit)
        if unit.stage is Stage.MOTION:
            # Give its place up with it: an earlier unit may have become ready since, and is now first in line.
            self._windows_held.discard(unit)
            if self._round.users.get(unit):
                heapq.heappush(self._round.windows, unit)
            return
        self._faces_held.discard(unit)
        # One that nobody wanted, and then somebody again, lacks its windows: the last of them hands it out.
        if unit in self._round.needs and not self._round.lacking[unit]:
            heapq.heappush(self._round.faces, unit)

    def done(self, unit: Unit) -> tuple[Unit, ...]:
        """The unit's result is there. Returns windows whose motion nothing will ask for again, perhaps this one."""
        self._out.remove(unit)
        if unit.stage is Stage.MOTION:
            users = self._round.users.get(unit, set())
            for face in users:
                self._lacks_no_more(face, unit)
            return () if users else self._let_go((unit,))
        if unit not in self._round.needs:
            # Its segment was settled meanwhile.
            self._faces_held.discard(unit)
        released = self._composed(unit)
        self._begin_round()
        return released

    def settle(self, face: Unit) -> tuple[Unit, ...]:
        """Nothing will ask for the face again, composed or not. Returns windows to forget, as `done`."""
        if face not in self._out:
            self._faces_held.discard(face)
        for later in self._rounds:
            # Composed all the same, it would keep its place for good.
            later.pop(face, None)
        released = self._composed(face)
        self._begin_round()
        return released

    def _lacks_no_more(self, face: Unit, window: Unit) -> None:
        lacking = self._round.lacking[face]
        lacking.discard(window)
        if not lacking:
            heapq.heappush(self._round.faces, face)

    def _composed(self, face: Unit) -> tuple[Unit, ...]:
        """The face needs no window any more: it is composed, or nobody wants it."""
        windows = self._round.needs.pop(face, ())
        self._round.lacking.pop(face, None)
        if face in self._round.faces:
            self._round.faces.remove(face)
            heapq.heapify(self._round.faces)
        for window in windows:
            self._round.users[window].discard(face)
        return self._let_go(window for window in windows if not self._round.users[window])

    def _let_go(self, windows: Iterable[Unit]) -> tuple[Unit, ...]:
        """Windows without a user: those that are done are forgotten, those that wait are not handed out."""
        released = []
        for window in windows:
            self._round.users.pop(window, None)
            if window in self._round.windows:
                self._round.windows.remove(window)
                heapq.heapify(self._round.windows)
            if window not in self._out and window in self._windows_held:
                self._windows_held.remove(window)
                released.append(window)
        return tuple(released)

    def _begin_round(self) -> None:
        """Go on to the next round once every face of this one is composed."""
        while self._rounds and not self._round.needs:
            fresh = _Round()
            for face, segment in self._rounds.popleft().items():
                windows = tuple(Unit(segment.take, window, Stage.MOTION) for window in segment.windows)
                if not windows:
                    raise ValueError(f"{face} needs no window")
                fresh.needs[face] = windows
                fresh.lacking[face] = set(windows)
                for window in windows:
                    fresh.users.setdefault(window, set()).add(face)
            # A window of a face that nobody wanted any more may still be out; it serves this round.
            fresh.windows = sorted(window for window in fresh.users if window not in self._out)
            self._round = fresh
            neediest = max((len(needs) for needs in fresh.needs.values()), default=1)
            self._windows_limit = max(self._windows_ahead, neediest)
