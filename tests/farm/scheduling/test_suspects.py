"""Segments over which replicas died: each runs alone on a fresh replica, in its turn."""

from __future__ import annotations

from typing import Any

import pytest
from hand_driven_farm import STORAGE, HandDrivenFarm

from farm.scheduling.messages import Dispatch, Purpose, Recycle
from jobs.farm_spec import Studio
from jobs.lifecycle import JobState, SegmentState
from jobs.priority import Tier


def kill_until_suspect(farm: HandDrivenFarm, *, job: str = "film", segment: int = 0) -> None:
    """Two replicas die while they run the segment; others join in their place."""
    for number in range(2):
        name = next(name for name, held in farm.waiting.items() if farm.held(name)[:1] == [(job, segment)])
        farm.lose(name)
        farm.join(f"new{number}")


def test_after_two_deaths_a_segment_runs_alone_on_a_fresh_replica_and_the_others_go_on() -> None:
    farm = HandDrivenFarm(replicas=2)
    farm.submit("film", segments=20)
    kill_until_suspect(farm)
    solo = [
        action for action in farm.actions if isinstance(action, Dispatch) and action.purpose is Purpose.SOLO
    ]
    assert [(action.job, action.segment, action.replica) for action in solo] == [("film", 0, "new1")]
    assert farm.held("new1") == [("film", 0)]
    farm.succeed("new1")
    assert farm.job("film").states[0] is SegmentState.COMMITTED
    assert len(farm.held("new1")) == 2


def test_without_a_fresh_replica_one_is_emptied_and_started_anew() -> None:
    farm = HandDrivenFarm(replicas=3)
    farm.submit("film", segments=20)
    farm.lose("r0")
    farm.succeed("r1")
    name = next(name for name in farm.waiting if ("film", 0) in farm.held(name))
    while farm.held(name)[0] != ("film", 0):
        farm.succeed(name)
    last = next(other for other in farm.waiting if other != name)
    farm.begin(last)
    farm.lose(name)
    assert farm.job("film").states[0] is SegmentState.SUSPECT
    assert len(farm.held(last)) == 1, "what only waited there was taken back"
    farm.succeed(last)
    assert farm.took(Recycle) == [Recycle(last)]
    farm.join("fresh")
    assert farm.held("fresh") == [("film", 0)]


def test_death_alone_on_a_fresh_replica_is_quarantine() -> None:
    farm = HandDrivenFarm(replicas=2)
    farm.submit("film", segments=20)
    kill_until_suspect(farm)
    farm.lose("new1")
    assert farm.job("film").states[0] is SegmentState.QUARANTINED
    assert farm.job("film").state is JobState.FAILED
    assert "alone on a fresh replica" in farm.scheduler.why_waiting("film").sentence


def test_an_explained_death_alone_is_no_proof() -> None:
    farm = HandDrivenFarm(replicas=2)
    farm.submit("film", segments=20)
    kill_until_suspect(farm)
    farm.lose("new1", explained=True)
    assert farm.job("film").states[0] is SegmentState.SUSPECT


def test_a_suspect_that_the_store_fails_waits_too_and_costs_no_replica_meanwhile() -> None:
    farm = HandDrivenFarm(replicas=3, backoff=2.0)
    farm.submit("film", segments=1)
    for _ in range(2):
        farm.lose(next(name for name in farm.waiting if farm.held(name)))
    assert farm.job("film").states[0] is SegmentState.LEASED, "the third one is fresh"
    (alone,) = farm.waiting
    farm.fail(alone, STORAGE)
    farm.join("r4")
    assert farm.job("film").states[0] is SegmentState.SUSPECT
    assert farm.held("r4") == []
    assert farm.scheduler.why_waiting("film").code == "backoff"
    farm.wait(0.9)
    assert farm.took(Recycle) == []
    assert farm.held("r4") == []
    farm.wait(2.2)
    assert farm.begin("r4").purpose is Purpose.SOLO
    farm.fail("r4", STORAGE)
    farm.wait(1.9)
    assert farm.took(Recycle) == [], "the wait doubles"
    farm.wait(4.2)
    assert len(farm.took(Recycle)) == 1
    farm.join("r5")
    farm.succeed("r5")
    assert farm.job("film").state is JobState.STITCHING


def test_of_several_suspects_one_that_waits_for_the_store_keeps_no_other() -> None:
    farm = HandDrivenFarm(replicas=4, slots=1, backoff=50.0)
    farm.submit("film", segments=2)
    for pair in (("r0", "r1"), ("r2", "r3")):
        for name in pair:
            farm.begin(name)
        for name in pair:
            farm.lose(name)
    assert farm.job("film").states == [SegmentState.SUSPECT] * 2
    farm.join("r4")
    assert farm.held("r4") == [("film", 0)]
    farm.fail("r4", STORAGE)
    farm.join("r5")
    assert farm.held("r5") == [("film", 1)]
    farm.succeed("r5")
    assert farm.job("film").states == [SegmentState.SUSPECT, SegmentState.COMMITTED]


def suspect_without_replicas(*, tier: Tier, **request: Any) -> HandDrivenFarm:
    """Two replicas died over the one segment of `film`, and no other is there."""
    farm = HandDrivenFarm(studios={"small": Studio(max_replicas=1)})
    farm.submit("film", segments=1, tier=tier, **request)
    farm.lose("r0")
    farm.join("r1")
    farm.lose("r1")
    assert farm.job("film").states[0] is SegmentState.SUSPECT
    return farm


def test_a_suspect_waits_for_stricter_work_and_takes_no_replica_from_it() -> None:
    farm = suspect_without_replicas(tier=Tier.TRAINING)
    farm.submit("urgent", segments=5, studio="south", tier=Tier.INTERACTIVE)
    farm.join("r2")
    assert farm.held("r2") == [("urgent", 0), ("urgent", 1)]
    while farm.job("urgent").unsettled > 1:
        farm.succeed("r2")
        assert farm.took(Recycle) == [], "the one replica that serves stricter work stays"
    assert farm.job("film").states[0] is SegmentState.SUSPECT
    farm.succeed("r2")
    assert farm.took(Recycle) == [Recycle("r2")]
    farm.join("r3")
    assert farm.begin("r3").purpose is Purpose.SOLO


def test_a_replica_that_is_emptied_for_a_suspect_is_kept_for_stricter_work_that_comes() -> None:
    farm = suspect_without_replicas(tier=Tier.BULK)
    farm.submit("bulk", segments=5, studio="south", tier=Tier.BULK)
    farm.job("film").suspects[0] = 5.0
    farm.join("r2")
    farm.begin("r2")
    farm.wait(6.0)
    assert farm.held("r2") == [("bulk", 0)], "it is being emptied"
    farm.submit("urgent", segments=1, studio="west", tier=Tier.INTERACTIVE)
    farm.succeed("r2")
    assert farm.begin("r2").job == "urgent"
    assert farm.took(Recycle) == []
    farm.succeed("r2")
    assert farm.took(Recycle) == [Recycle("r2")]


def test_suspects_come_in_the_order_of_their_turns() -> None:
    farm = suspect_without_replicas(tier=Tier.BULK)
    farm.submit("spot", segments=1, studio="south", tier=Tier.NORMAL)
    for name in ("r2", "r3"):
        farm.join(name)
        farm.lose(name)
    farm.join("r4")
    assert farm.held("r4") == [("spot", 0)]
    farm.join("r5")
    assert farm.held("r5") == [("film", 0)]


@pytest.mark.parametrize("limited", ["job", "studio"])
@pytest.mark.parametrize("backlog", [Tier.NORMAL, Tier.BULK])
def test_a_suspect_does_not_starve_behind_other_work_of_its_job_or_studio_at_the_limit(
    limited: str, backlog: Tier
) -> None:
    farm = HandDrivenFarm(studios={"small": Studio(max_replicas=1)})
    if limited == "studio":
        farm.submit("film", segments=1, studio="small")
    else:
        farm.submit("film", segments=40, max_replicas=1)
    for name in ("r1", "r2"):
        farm.lose(next(name for name, held in farm.waiting.items() if held))
        farm.join(name)
    assert farm.begin("r2").purpose is Purpose.SOLO
    farm.fail("r2", STORAGE)
    if limited == "studio":
        farm.submit("backlog", segments=40, studio="small", tier=backlog)
    assert len(farm.held("r2")) == 2, "it waits for the store, and others go on"
    farm.begin("r2")
    farm.join("r3")
    farm.wait(10.0)
    for _ in range(2):
        assert farm.scheduler.why_waiting("film").code in {f"{limited}_limit", "running"}
        farm.succeed("r2")
    assert farm.held("r2") == [], "what it has is not filled again"
    assert farm.begin("r3").purpose is Purpose.SOLO
    assert farm.scheduler.why_waiting("backlog" if limited == "studio" else "film").code in {
        f"{limited}_limit",
        "running",
    }
    farm.succeed("r3")
    assert any(len(farm.held(name)) == 2 for name in farm.waiting), "and all goes on"


def test_stricter_work_of_the_studio_does_not_leave_its_place_to_a_suspect() -> None:
    farm = suspect_without_replicas(tier=Tier.BULK, studio="small")
    farm.submit("urgent", segments=4, studio="small", tier=Tier.INTERACTIVE)
    farm.submit("bulk", segments=4, studio="small", tier=Tier.BULK)
    farm.join("r2")
    farm.join("r3")
    for _ in range(4):
        (busy,) = (name for name, held in farm.waiting.items() if held)
        assert farm.succeed(busy).job == "urgent"
    (busy,) = (name for name, held in farm.waiting.items() if held)
    assert farm.begin(busy).purpose is Purpose.SOLO
    assert "small has all 1" in farm.scheduler.why_waiting("bulk").sentence


def test_who_leaves_its_place_to_a_suspect_can_say_so() -> None:
    farm = suspect_without_replicas(tier=Tier.NORMAL, studio="small")
    farm.submit("other", segments=4, studio="small")
    farm.submit("alien", segments=9, studio="south")
    farm.join("r2")
    farm.lose("r2", explained=True)
    farm.submit("urgent", segments=9, studio="south", tier=Tier.INTERACTIVE)
    farm.join("r3")
    assert farm.scheduler.why_waiting("film").code == "fresh_replica"
    waiting = farm.scheduler.why_waiting("other")
    assert waiting.code == "studio_limit"
    assert "kept for a segment" in waiting.sentence
