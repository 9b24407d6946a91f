"""How many jobs come before one: counted once for many, and the same as by its definition for each."""

from __future__ import annotations

import random

import pytest
from hand_driven_farm import HandDrivenFarm

from farm.scheduling.why import WaitCode
from jobs.farm_spec import Studio


@pytest.mark.parametrize("seed", range(4))
def test_counted_for_many_it_is_what_it_is_for_each(seed: int) -> None:
    chance = random.Random(seed)
    studios = {"small": Studio(max_replicas=1, weight=5), "large": Studio(weight=20)}
    farm = HandDrivenFarm(replicas=2, slots=1, studios=studios)
    names = [f"j{number}" for number in range(12)]
    for name in names:
        limit = chance.choice([None, 1])
        studio = chance.choice(["small", "large", "other"])
        farm.submit(name, segments=chance.randint(1, 5), studio=studio, max_replicas=limit)
    scheduler = farm.scheduler
    ahead, waited = scheduler.ahead_of_each(), 0
    for name in names:
        found = scheduler.why_waiting(name, ahead=ahead)
        assert found == scheduler.why_waiting(name)
        before = sum(
            scheduler.may_be_served(other) and scheduler.turn(other) < scheduler.turn(name) for other in names
        )
        assert found.position == (before if found.code is WaitCode.TURN else None)
        waited += found.code is WaitCode.TURN
    assert waited > 2, "hardly any job waited for its turn"
