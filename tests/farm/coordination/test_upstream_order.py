"""The windows and faces of one job: every face is composed, in order, in little memory, whatever happens on the way."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from farm.coordination.upstream_order import UpstreamOrder
from farm.scheduling.units import SegmentNeeds, Stage, Unit

WINDOWS_AHEAD = 3
FACES_AHEAD = 4


def a_job(segments: int, *, per_window: int = 3, takes: int = 1) -> list[SegmentNeeds]:
    """Windows every `per_window` segments, of twice that length, as the plan makes them."""
    last = max((segments - 1) // per_window - 1, 0)
    return [
        SegmentNeeds(
            take=take,
            index=index,
            windows=tuple(
                sorted({min(max(index // per_window - 1, 0), last), min(index // per_window, last)})
            ),
        )
        for take in range(1, takes + 1)
        for index in range(segments)
    ]


def face(take: int, index: int) -> Unit:
    return Unit(take, index, Stage.FACE)


def handed_out(order: UpstreamOrder, stage: Stage) -> list[Unit]:
    units = []
    while (unit := order.next(stage)) is not None:
        order.take(unit)
        units.append(unit)
    return units


class World:
    """Does what a order hands out, in a random order, with accidents; settles faces some time later."""

    def __init__(self, order: UpstreamOrder, chance: random.Random, *, accidents: float) -> None:
        self.order = order
        self.chance = chance
        self.accidents = accidents
        self.out: list[Unit] = []
        self.motions: set[Unit] = set()
        self.composed: list[Unit] = []
        self.unsettled: list[Unit] = []

    def turn(self) -> None:
        for stage in (Stage.FACE, Stage.MOTION):
            for unit in handed_out(self.order, stage):
                assert unit not in self.out, "a unit is never out twice"
                self.out.append(unit)
        assert len(self.order.faces_held) <= FACES_AHEAD
        assert len(self.order.windows_held) <= max(WINDOWS_AHEAD, 3)
        assert self.motions <= self.order.windows_held
        if self.unsettled and (not self.out or self.chance.random() < 0.4):
            self.settle(self.unsettled.pop(self.chance.randrange(len(self.unsettled))))
        elif self.out:
            self.finish(self.out.pop(self.chance.randrange(len(self.out))))

    def finish(self, unit: Unit) -> None:
        if self.chance.random() < self.accidents:
            self.order.put_back(unit)
            return
        if unit.stage is Stage.MOTION:
            self.motions.add(unit)
        self.motions -= set(self.order.done(unit))
        if unit.stage is Stage.FACE and self.order.holds(unit):
            self.composed.append(unit)
            self.unsettled.append(unit)

    def settle(self, unit: Unit) -> None:
        self.motions -= set(self.order.settle(unit))

    @property
    def is_quiet(self) -> bool:
        nothing_next = all(self.order.next(stage) is None for stage in (Stage.FACE, Stage.MOTION))
        return not self.out and not self.unsettled and nothing_next


def run(world: World) -> None:
    for _ in range(20_000):
        if world.is_quiet:
            return
        world.turn()
    raise AssertionError("it locked up or never ends")


jobs = st.builds(a_job, st.integers(1, 25), per_window=st.integers(1, 4), takes=st.integers(1, 2))


@given(jobs, st.integers(0, 2**32), st.sampled_from([0.0, 0.3]))
@settings(max_examples=80, deadline=None)
def test_every_face_is_composed_once_and_nothing_is_held_in_the_end(
    segments: Sequence[SegmentNeeds], seed: int, accidents: float
) -> None:
    order = UpstreamOrder(windows_ahead=WINDOWS_AHEAD, faces_ahead=FACES_AHEAD)
    order.add(segments)
    world = World(order, random.Random(seed), accidents=accidents)
    run(world)
    assert sorted(world.composed) == sorted(face(need.take, need.index) for need in segments)
    assert not order.windows_held
    assert not order.faces_held
    assert not world.motions


@given(jobs, st.integers(0, 2**32), st.data())
@settings(max_examples=80, deadline=None)
def test_previews_and_segments_put_back_in_line_come_in_rounds(
    segments: Sequence[SegmentNeeds], seed: int, data: st.DataObject
) -> None:
    previews = data.draw(st.lists(st.sampled_from(segments), unique=True, max_size=4))
    again = data.draw(st.lists(st.sampled_from(segments), unique=True, max_size=4))
    order = UpstreamOrder(windows_ahead=WINDOWS_AHEAD, faces_ahead=FACES_AHEAD)
    order.add(previews)
    order.add([need for need in segments if need not in previews])
    world = World(order, random.Random(seed), accidents=0.1)
    for _ in range(data.draw(st.integers(0, 30))):
        if not world.is_quiet:
            world.turn()
    run(world)
    first = {face(need.take, need.index) for need in previews}
    assert set(world.composed[: len(previews)]) == first
    order.add(again)
    run(world)
    assert sorted(world.composed[len(segments) :]) == sorted(face(need.take, need.index) for need in again)
    assert not order.windows_held
    assert not order.faces_held


@given(jobs, st.integers(0, 2**32), st.data())
@settings(max_examples=80, deadline=None)
def test_faces_that_nobody_wants_any_more_hold_nothing_up(
    segments: Sequence[SegmentNeeds], seed: int, data: st.DataObject
) -> None:
    dropped = data.draw(st.lists(st.sampled_from(segments), unique=True))
    order = UpstreamOrder(windows_ahead=WINDOWS_AHEAD, faces_ahead=FACES_AHEAD)
    order.add(segments)
    world = World(order, random.Random(seed), accidents=0.1)
    for need in dropped:
        for _ in range(data.draw(st.integers(0, 5))):
            if not world.is_quiet:
                world.turn()
        unwanted = face(need.take, need.index)
        world.unsettled = [unit for unit in world.unsettled if unit != unwanted]
        world.settle(unwanted)
    run(world)
    kept = {face(need.take, need.index) for need in segments if need not in dropped}
    assert kept <= set(world.composed)
    assert not order.windows_held
    assert not order.faces_held
    assert not world.motions


def test_windows_and_faces_come_in_order_of_time() -> None:
    order = UpstreamOrder(windows_ahead=2, faces_ahead=2)
    order.add(a_job(9))
    assert handed_out(order, Stage.MOTION) == [Unit(1, 0, Stage.MOTION), Unit(1, 1, Stage.MOTION)]
    assert handed_out(order, Stage.FACE) == []
    order.done(Unit(1, 0, Stage.MOTION))
    assert handed_out(order, Stage.FACE) == [face(1, 0), face(1, 1)]


def test_an_order_without_room_is_refused() -> None:
    with pytest.raises(ValueError, match="room"):
        UpstreamOrder(windows_ahead=0, faces_ahead=1)


def test_only_what_is_next_can_be_taken() -> None:
    order = UpstreamOrder(windows_ahead=2, faces_ahead=2)
    order.add(a_job(9))
    with pytest.raises(ValueError, match="not next"):
        order.take(Unit(1, 1, Stage.MOTION))
