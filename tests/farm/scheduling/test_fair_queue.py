from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farm.scheduling.shared.costs import CostTable
from farm.scheduling.shared.fair_queue import FairQueue
from farm.scheduling.units import Stage
from jobs.spec import Profile

KIND = (Stage.RENDER, Profile.PREVIEW)


def queue_of(**weights: float) -> FairQueue:
    queue = FairQueue()
    for name, weight in weights.items():
        queue.know(name, weight=weight)
        queue.join(name)
    return queue


@given(
    weights=st.dictionaries(st.sampled_from("abcdef"), st.floats(0.5, 20), min_size=2),
    costs=st.lists(st.floats(0.1, 5), min_size=50, max_size=300),
)
def test_normalised_service_never_differs_by_more_than_one_cost_each(
    weights: dict[str, float], costs: list[float]
) -> None:
    """The bound that start-time fair queuing proves: |W_i / w_i - W_j / w_j| <= c_i / w_i + c_j / w_j."""
    queue, served = queue_of(**weights), Counter[str]()
    for cost in costs:
        name = queue.first()
        assert name is not None
        queue.serve(name, cost)
        served[name] += cost
        for one in weights:
            for other in weights:
                apart = abs(served[one] / weights[one] - served[other] / weights[other])
                assert apart <= 5 / weights[one] + 5 / weights[other] + 1e-9


def test_who_was_away_claims_nothing_for_it() -> None:
    queue = queue_of(here=1, away=1)
    queue.leave("away")
    for _ in range(100):
        queue.serve("here", 1.0)
    queue.join("away")
    turns = []
    for _ in range(10):
        name = queue.first()
        assert name is not None
        turns.append(name)
        queue.serve(name, 1.0)
    assert abs(turns.count("away") - turns.count("here")) <= 2


def test_who_owes_still_owes_when_coming_back() -> None:
    queue = queue_of(greedy=1, other=1)
    queue.serve("greedy", 50.0)
    queue.leave("greedy")
    queue.join("greedy")
    for _ in range(40):
        assert queue.first() == "other"
        queue.serve("other", 1.0)


def test_a_newcomer_is_first_among_equals() -> None:
    queue = queue_of(old=1)
    queue.serve("old", 5.0)
    queue.charge("old", -5.0)
    queue.know("new", weight=1)
    queue.join("new")
    assert queue.first() == "new"


def test_names_that_left_are_not_served_and_nobody_is_first_in_an_empty_queue() -> None:
    queue = queue_of(a=1)
    queue.leave("a")
    assert queue.first() is None
    assert "a" not in queue
    assert len(queue) == 0


def test_costs_follow_what_is_measured() -> None:
    costs = CostTable(first_cost=7.0)
    assert costs.estimate(KIND) == 7.0
    costs.add(KIND, 10.0)
    assert costs.estimate(KIND) == 10.0
    for _ in range(40):
        costs.add(KIND, 20.0)
    assert costs.estimate(KIND) == pytest.approx(20.0, rel=0.01)
    assert costs.estimate((Stage.RENDER, Profile.STUDIO)) == 7.0


def test_the_percentile_is_of_recent_measurements_and_waits_for_enough() -> None:
    costs = CostTable(first_cost=1.0)
    for value in range(7):
        costs.add(KIND, float(value))
    assert costs.percentile_95(KIND, at_least=8) is None
    for value in range(1000):
        costs.add(KIND, 100.0 + value % 100)
    assert costs.percentile_95(KIND, at_least=8) == pytest.approx(195, abs=2)
