"""The scheduler core under thousands of orders of events, losses and failures; no Ray, no clock, no arrays."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from farm.scheduling.failure import FailureBudget
from farm.scheduling.progression import Limits, Progression
from farm.scheduling.units import (
    Action,
    Dispatch,
    Done,
    Failed,
    GiveUp,
    Lost,
    Owner,
    Release,
    SegmentNeeds,
    Stage,
    Unit,
)
from jobs.states import SegmentState

FORGIVING = FailureBudget(failures_per_unit=10_000, deaths_per_unit=10_000, deaths_per_job=1_000_000)


def needs_of(frames: int, *, take: int = 1, context: int = 8) -> list[SegmentNeeds]:
    """The real shape of a plan: windows 300/150, segments of 50, some context either side."""
    starts = [0, *range(150, max(frames - 150, 1), 150)]
    needs = []
    for index, first in enumerate(range(0, frames, 50)):
        low, high = max(first - context, 0), min(first + 50 + context, frames)
        windows = tuple(w for w, start in enumerate(starts) if start < high and low < start + 300)
        needs.append(SegmentNeeds(take=take, index=index, windows=windows))
    return needs


def limits_of(motion: int = 2, face: int = 2, render: int = 4, windows: int = 6, faces: int = 6) -> Limits:
    in_flight = {Stage.MOTION: motion, Stage.FACE: face, Stage.RENDER: render}
    return Limits(in_flight=in_flight, windows_held=windows, faces_held=faces)


@dataclass
class World:
    """Carries out actions and checks, at each of them, what must always hold."""

    needs: list[SegmentNeeds]
    limits: Limits
    budget: FailureBudget = FORGIVING
    in_flight: set[Unit] = field(default_factory=set)
    done: set[Unit] = field(default_factory=set)
    released: set[Unit] = field(default_factory=set)
    dispatched: Counter[Unit] = field(default_factory=Counter)
    setbacks: Counter[Unit] = field(default_factory=Counter)
    gave_up: GiveUp | None = None

    def __post_init__(self) -> None:
        self.windows_of = {(need.take, need.index): need.windows for need in self.needs}
        self.core = Progression(segments=self.needs, limits=self.limits, budget=self.budget)
        self.carry_out(self.core.start())

    def carry_out(self, actions: list[Action]) -> None:
        for action in actions:
            assert self.gave_up is None, "an action after giving up"
            if isinstance(action, GiveUp):
                self.gave_up = action
            elif isinstance(action, Release):
                assert action.unit in self.done
                assert action.unit not in self.released
                self.released.add(action.unit)
            else:
                self.dispatch(action)

    def dispatch(self, action: Dispatch) -> None:
        unit = action.unit
        assert unit not in self.in_flight
        assert unit not in self.done, "a unit is never done twice"
        self.dispatched[unit] += 1
        assert action.attempt == self.dispatched[unit] == self.setbacks[unit] + 1
        if unit.stage is Stage.FACE:
            for window in self.windows_of[unit.take, unit.index]:
                motion = Unit(unit.take, window, Stage.MOTION)
                assert motion in self.done, "dispatched before its motion is complete"
                assert motion not in self.released, "dispatched after its motion is gone"
        if unit.stage is Stage.RENDER:
            face = Unit(unit.take, unit.index, Stage.FACE)
            assert face in self.done
            assert face not in self.released
        self.in_flight.add(unit)
        flying = Counter(flying.stage for flying in self.in_flight)
        assert all(flying[stage] <= self.limits.in_flight[stage] for stage in Stage)

    def happen(self, event: Done | Lost | Failed) -> None:
        self.in_flight.remove(event.unit)
        (self.done.add if isinstance(event, Done) else self.note_setback)(event.unit)
        self.carry_out(self.core.on(event))

    def note_setback(self, unit: Unit) -> None:
        self.setbacks[unit] += 1

    def held(self, stage: Stage) -> int:
        """Units of the stage whose result is, or will be, in memory."""
        return len({unit for unit in self.in_flight | self.done if unit.stage is stage} - self.released)

    def run(self, chance: random.Random, *, losses: float = 0.0, failures: float = 0.0) -> None:
        span = max((len(need.windows) for need in self.needs), default=1)
        while not self.core.is_finished:
            assert self.in_flight, "locked up: nothing in flight and not finished"
            assert self.held(Stage.MOTION) <= max(self.limits.windows_held, span)
            assert self.held(Stage.FACE) <= self.limits.faces_held
            unit = chance.choice(sorted(self.in_flight))
            fate = chance.random()
            if fate < losses:
                self.happen(Lost(unit, was_running=chance.random() < 0.5))
            elif fate < losses + failures:
                self.happen(Failed(unit, is_final=False))
            else:
                self.happen(Done(unit))


small = st.integers(min_value=1, max_value=4)


@settings(max_examples=150, deadline=None)
@given(
    frames=st.integers(min_value=1, max_value=2_000),
    context=st.integers(min_value=0, max_value=60),
    takes=st.integers(min_value=1, max_value=3),
    limits=st.builds(limits_of, motion=small, face=small, render=small, windows=small, faces=small),
    seed=st.integers(),
    losses=st.sampled_from([0.0, 0.2, 0.6]),
    failures=st.sampled_from([0.0, 0.1]),
)
def test_any_order_of_events_commits_every_segment_exactly_once_and_frees_all_memory(
    frames: int, context: int, takes: int, limits: Limits, seed: int, losses: float, failures: float
) -> None:
    needs = [need for take in range(1, takes + 1) for need in needs_of(frames, take=take, context=context)]
    world = World(needs=needs, limits=limits)
    world.run(random.Random(seed), losses=losses, failures=failures)
    committed = {unit for unit in world.done if unit.stage is Stage.RENDER}
    assert committed == {Unit(need.take, need.index, Stage.RENDER) for need in needs}
    assert world.released == world.done - committed
    assert not world.in_flight
    assert set(world.core.states.values()) == {SegmentState.COMMITTED}


@given(seed=st.integers(), keep=st.sets(st.integers(min_value=0, max_value=39), min_size=1))
def test_after_a_resume_only_missing_segments_and_the_windows_they_need_are_dispatched(
    seed: int, keep: set[int]
) -> None:
    needs = [need for need in needs_of(2_000) if need.index in keep]
    world = World(needs=needs, limits=limits_of())
    world.run(random.Random(seed))
    assert {unit.index for unit in world.done if unit.stage is Stage.RENDER} == keep
    windows = {window for need in needs for window in need.windows}
    assert {unit.index for unit in world.done if unit.stage is Stage.MOTION} == windows


def test_without_trouble_every_unit_is_dispatched_once_in_order() -> None:
    world = World(needs=needs_of(3_000), limits=limits_of(motion=1, face=1, render=1))
    order: list[Unit] = []
    while world.in_flight:
        unit = min(
            world.in_flight, key=lambda unit: (unit.stage is Stage.MOTION, unit.stage is Stage.FACE, unit)
        )
        order.append(unit)
        world.happen(Done(unit))
    assert set(world.dispatched.values()) == {1}
    for stage in Stage:
        indices = [unit.index for unit in order if unit.stage is stage]
        assert indices == sorted(indices)


def test_an_hour_with_everything_committed_is_finished_before_it_starts() -> None:
    core = Progression(segments=[], limits=limits_of())
    assert core.is_finished
    assert core.start() == []


def test_an_hour_of_speech_holds_few_windows_and_faces_and_is_scheduled_in_seconds() -> None:
    world = World(needs=needs_of(90_000), limits=limits_of())
    world.run(random.Random(1))
    assert len([unit for unit in world.done if unit.stage is Stage.RENDER]) == 1_800


def test_a_segment_that_fails_twice_ends_the_render_and_is_named() -> None:
    world = World(needs=needs_of(50), limits=limits_of(), budget=FailureBudget())
    render = Unit(1, 0, Stage.RENDER)
    world.happen(Done(Unit(1, 0, Stage.MOTION)))
    world.happen(Done(Unit(1, 0, Stage.FACE)))
    world.happen(Failed(render, is_final=False))
    assert world.core.states[render] is SegmentState.LEASED
    world.happen(Failed(render, is_final=False))
    assert world.gave_up == GiveUp(render, Owner.UNIT, "failed 2 times")
    assert world.core.is_given_up
    assert world.core.states[render] is SegmentState.FAILED


def test_a_failure_about_the_input_is_not_tried_again() -> None:
    world = World(needs=needs_of(600), limits=limits_of(), budget=FailureBudget())
    window = Unit(1, 0, Stage.MOTION)
    world.happen(Failed(window, is_final=True))
    assert world.gave_up is not None
    assert world.gave_up.unit == window


def test_events_after_giving_up_change_nothing() -> None:
    world = World(needs=needs_of(900), limits=limits_of(), budget=FailureBudget())
    first, second = sorted(world.in_flight)
    world.happen(Failed(first, is_final=True))
    assert world.core.on(Done(second)) == []


def test_retry_budget_is_not_charged_to_units_that_only_waited_on_the_dead_replica() -> None:
    budget = FailureBudget(deaths_per_unit=2, deaths_per_job=100)
    world = World(needs=needs_of(600), limits=limits_of(), budget=budget)
    for _ in range(50):
        world.happen(Lost(Unit(1, 1, Stage.MOTION), was_running=False))
    assert world.gave_up is None


def test_a_unit_that_kills_every_replica_ends_the_render() -> None:
    world = World(needs=needs_of(50), limits=limits_of(), budget=FailureBudget(deaths_per_unit=3))
    for _ in range(3):
        world.happen(Lost(Unit(1, 0, Stage.MOTION), was_running=True))
    assert world.gave_up is not None
    assert world.gave_up.owner is Owner.UNIT
    assert "3 replicas" in world.gave_up.reason


def test_a_machine_that_kills_replicas_all_over_the_job_is_blamed_instead_of_a_segment() -> None:
    world = World(
        needs=needs_of(3_000), limits=limits_of(), budget=FailureBudget(deaths_per_unit=5, deaths_per_job=8)
    )
    chance = random.Random(3)
    while world.gave_up is None:
        world.happen(Lost(chance.choice(sorted(world.in_flight)), was_running=True))
        for unit in sorted(world.in_flight)[:1]:
            if world.gave_up is None:
                world.happen(Done(unit))
    assert world.gave_up.owner is Owner.INFRASTRUCTURE


def test_an_event_for_a_unit_that_is_not_in_flight_is_a_bug_and_raises() -> None:
    core = Progression(segments=needs_of(100), limits=limits_of())
    with pytest.raises(ValueError, match="not in flight"):
        core.on(Done(Unit(1, 0, Stage.MOTION)))


@pytest.mark.parametrize("bad", [{"motion": 0}, {"windows": 0}, {"faces": 0}])
def test_limits_without_room_are_refused(bad: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="room"):
        limits_of(**bad)
