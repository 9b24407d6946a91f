"""What is taken back for a job that arrives: what it can use, and only where it would get the slot."""

from __future__ import annotations

from typing import Any

import pytest
from hand_driven_farm import HandDrivenFarm

from farm.scheduling.messages import Dispatch, Recall, SegmentsReady
from jobs.farm_spec import Studio
from jobs.priority import Tier


def jobs_that_got_the_slots(farm: HandDrivenFarm, since: int) -> list[str]:
    """Whom a slot went to, for each attempt that was taken back."""
    actions = sorted(farm.actions[since:], key=lambda action: isinstance(action, Dispatch))
    assert sum(isinstance(action, Recall) for action in actions) <= sum(
        isinstance(action, Dispatch) for action in actions
    )
    return [action.job for action in actions if isinstance(action, Dispatch)]


@pytest.mark.parametrize("warm_lead", [0.0, 4.0])
@pytest.mark.parametrize("subject", ["actor-a", "actor-b"])
def test_nothing_is_taken_back_that_would_come_straight_back(warm_lead: float, subject: str) -> None:
    farm = HandDrivenFarm(replicas=2, warm_lead=warm_lead)
    farm.submit("long", segments=500, subject="actor-a")
    for name in ("b", "c"):
        farm.submit(name, segments=60, subject=subject, motion_merged=False)
    futile = 0
    for segment in range(60):
        for name in ("b", "c"):
            since = len(farm.actions)
            farm.tell(SegmentsReady(name, (segment,)))
            if any(isinstance(action, Recall) for action in farm.actions[since:]):
                futile += jobs_that_got_the_slots(farm, since) != [name]
        farm.succeed(f"r{segment % 2}")
        farm.begin(f"r{segment % 2}")
    assert futile == 0


def test_a_job_that_was_passed_as_often_as_may_be_gets_the_slot_of_who_passed_it() -> None:
    farm = HandDrivenFarm(warm_lead=2.0)
    farm.submit("b", segments=9, subject="actor-b", motion_merged=False)
    for name in ("one", "two"):
        farm.submit(name, segments=500, subject="actor-a")
    farm.tell(SegmentsReady("b", (0,)))
    while farm.succeed().job != "b":
        pass
    for _ in range(4):
        farm.succeed()
    farm.begin()
    farm.tell(SegmentsReady("b", (1,)))
    assert "b" not in {name for name, _ in farm.held()}, "what was taken back for it would come straight back"
    while farm.job("b").passed <= 2:
        farm.succeed()
        farm.begin()
    since = len(farm.actions)
    farm.tell(SegmentsReady("b", (2,)))
    assert jobs_that_got_the_slots(farm, since) == ["b"]


@pytest.mark.parametrize(
    ("limits", "terms", "most"),
    [
        ({}, {}, 8),
        ({"max_replicas": 1}, {}, 1),
        ({}, {"max_replicas": 3}, 3),
        ({"max_replicas": 5}, {"max_replicas": 2}, 2),
        ({"max_gpu_seconds": 25.0}, {}, 2),
    ],
)
def test_no_more_is_taken_back_than_the_limits_of_who_arrives_allow(
    limits: dict[str, Any], terms: dict[str, int], most: int
) -> None:
    farm = HandDrivenFarm(replicas=8, first_cost=10.0, studios={"south": Studio(**terms)})
    farm.submit("bulk", segments=1000, tier=Tier.BULK)
    for name in farm.waiting:
        farm.begin(name)
    farm.submit("urgent", segments=500, studio="south", tier=Tier.INTERACTIVE, **limits)
    assert len(farm.took(Recall)) == most
    assert sum(task.job == "urgent" for tasks in farm.waiting.values() for task in tasks) == most
