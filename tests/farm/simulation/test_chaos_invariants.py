"""Users, machines and bad luck in any order: every invariant after every event, and an end to it once it is calm."""

from __future__ import annotations

import random

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule
from troubled_farm import DOINGS, Chaos

from jobs.lifecycle import AttemptState, JobEvent, JobState, SegmentEvent, SegmentState
from jobs.states import TRANSITIONS


class FarmInTrouble(RuleBasedStateMachine):
    """`Chaos` audits the farm after each event it takes in, and raises what it finds."""

    @initialize(seed=st.integers(0, 2**32))
    def open(self, seed: int) -> None:
        self.chaos = Chaos(seed=seed, replicas=3)
        self.calmed = False

    @rule(name=st.sampled_from(DOINGS), whom=st.integers(0, 2**32))
    def something_happens(self, name: str, whom: int) -> None:
        self.chaos.do(name, random.Random(whom))

    @rule(steps=st.integers(1, 15))
    def time_passes(self, steps: int) -> None:
        for step in range(steps):
            self.chaos.do("time", random.Random(step))

    def teardown(self) -> None:
        if hasattr(self, "chaos"):
            self.chaos.calm()


TestFarmInTrouble = FarmInTrouble.TestCase
TestFarmInTrouble.settings = settings(
    max_examples=15, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
)


@pytest.mark.parametrize("seed", [1, 2])
def test_thousands_of_random_events_break_nothing_and_everything_ends(seed: int) -> None:
    chaos, chance = Chaos(seed=seed), random.Random(seed)
    for _ in range(1500):
        chaos.step(chance)
    chaos.calm()
    assert set(chaos.happened) == set(DOINGS), "everything that can happen did"
    assert chaos.run.course.events > 1000
    assert {"wrong_state", "unknown_job"} <= set(chaos.refused)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_hundred_thousand_random_events_break_nothing_and_everything_ends() -> None:
    """About a minute of one core."""
    chaos, chance = Chaos(seed=7), random.Random(7)
    while chaos.run.course.events < 100_000:
        chaos.step(chance)
    chaos.calm()
    assert set(chaos.happened) == set(DOINGS)
    assert set(TRANSITIONS) - chaos.run.life.rows <= BEYOND_CHAOS


# What comes before the scheduler, what it answers without a transition, what its races leave to chance, and how jobs in
# one piece end, of which this chaos has none (tests/farm/coordination/test_whole_jobs.py).
BEYOND_CHAOS = {
    (state, event)
    for state, event in TRANSITIONS
    if state in {JobState.RECEIVED, JobState.VALIDATING, JobState.PLANNED}
    or event in {SegmentEvent.COMMITTED, SegmentEvent.GAVE_UP}
    or state in {SegmentState.SUSPECT, AttemptState.DISPATCHED}
    or (state, event) == (JobState.QUEUED, JobEvent.FAILED)
    or event is JobEvent.DONE
}
