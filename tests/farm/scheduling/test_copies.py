"""A lease that takes too long is copied; the first commit wins, and no copy hides what its segment does."""

from __future__ import annotations

from typing import Any

from hand_driven_farm import HandDrivenFarm

from farm.scheduling.messages import Purpose
from jobs.lifecycle import AttemptState, JobState, SegmentState
from jobs.priority import OnQuarantine


def test_a_lease_that_takes_far_too_long_is_copied_on_an_idle_replica_and_the_first_commit_wins() -> None:
    farm = HandDrivenFarm(slots=1)
    farm.submit("film", segments=10)
    for _ in range(9):
        farm.succeed(seconds=10.0)
    slow = farm.begin()
    farm.join("r1")
    farm.wait(19.0)
    assert farm.held("r1") == []
    farm.wait(2.0)
    assert farm.held("r1") == [("film", 9)]
    farm.succeed("r1", seconds=5.0)
    assert farm.job("film").state is JobState.STITCHING
    assert [stop.attempt for stop in farm.stops()] == [slow.attempt]
    farm.stop("r0")
    ends = [moved.after for moved in farm.moves if isinstance(moved.after, AttemptState)]
    assert ends[-1] is AttemptState.SUPERSEDED


def test_the_death_of_one_of_two_copies_leaves_the_segment_to_the_other() -> None:
    farm = HandDrivenFarm(slots=1)
    farm.submit("film", segments=10)
    for _ in range(9):
        farm.succeed(seconds=10.0)
    farm.begin()
    farm.join("r1")
    farm.wait(30.0)
    farm.lose("r0")
    assert farm.job("film").states[9] is SegmentState.LEASED
    farm.succeed("r1")
    assert farm.job("film").state is JobState.STITCHING


def slow_farm_with_a_copy(**pool: Any) -> HandDrivenFarm:
    """Segment 2 takes long, so that an idle replica has a copy of it."""
    farm = HandDrivenFarm(replicas=2, slots=1, speculate_with=2, **pool)
    farm.submit("film", segments=3, on_quarantine=OnQuarantine.HOLD)
    for name in ("r0", "r1"):
        farm.succeed(name, seconds=1.0)
    farm.begin("r0")
    farm.wait(10.0)
    assert farm.held("r0") == farm.held("r1") == [("film", 2)]
    farm.begin("r1")
    return farm


def test_copies_of_a_segment_that_kills_do_not_hide_each_other() -> None:
    farm = slow_farm_with_a_copy()
    farm.lose("r0")
    farm.join("r2")
    farm.wait(10.0)
    assert farm.held("r2") == [], "what may have killed is not copied again"
    farm.lose("r1")
    assert farm.job("film").states[2] is not SegmentState.READY
    assert farm.begin("r2").purpose is Purpose.SOLO
    farm.lose("r2")
    assert farm.job("film").states[2] is SegmentState.QUARANTINED


def test_copies_of_a_segment_that_fails_do_not_hide_each_other() -> None:
    farm = slow_farm_with_a_copy()
    farm.fail("r0")
    farm.fail("r1")
    assert farm.job("film").states[2] is SegmentState.QUARANTINED
