from __future__ import annotations

from collections import Counter
from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farm.scheduling.costs import CostTable
from farm.scheduling.fair_queue import FairQueue
from jobs.spec import Profile

KIND = Profile.PREVIEW


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


@given(
    steps=st.lists(st.tuples(st.booleans(), st.floats(0.1, 9), st.floats(-1, 1)), min_size=5, max_size=120),
    weight=st.sampled_from([1.0, 3.0]),
)
def test_who_joins_first_is_served_first_of_those_that_never_were(
    steps: list[tuple[bool, float, float]], weight: float
) -> None:
    """Among equals, whatever services cost and come to afterwards; each stays until its second service."""
    queue, joined, first_served = FairQueue(), list[str](), list[str]()
    for joins, cost, correction in steps:
        if joins:
            joined.append(f"job-{len(joined)}")
            queue.know(joined[-1], weight=weight)
            queue.join(joined[-1])
        elif (name := queue.first()) is not None:
            queue.serve(name, cost)
            queue.charge(name, correction * cost)
            if name in first_served:
                queue.leave(name)
            else:
                first_served.append(name)
    assert first_served == joined[: len(first_served)]


@pytest.mark.parametrize("backlog", [0, 1, 20])
@pytest.mark.parametrize("weight", [0.5, 1.0, 4.0])
@pytest.mark.parametrize("correction", [0.0, -1e-9, -0.5, 0.5])
def test_one_newcomer_for_each_service_starves_nobody(backlog: int, weight: float, correction: float) -> None:
    queue, gaps, gap, served = queue_of(long=weight), list[int](), 0, list[str]()
    queue.serve("long", 1.0)
    for number in range(backlog + 4000):
        queue.know(f"new-{number}", weight=1.0)
        queue.join(f"new-{number}")
        if number < backlog:
            continue
        name = queue.first()
        assert name is not None
        queue.serve(name, 1.0)
        queue.charge(name, correction)
        gap += 1
        if name == "long":
            gaps.append(gap)
            gap = 0
        else:
            queue.leave(name)
            served.append(name)
    assert served == [f"new-{number}" for number in range(len(served))]
    assert len(gaps) > 20, "it goes on getting services"
    assert gap <= 2 * max(gaps)
    assert gaps[0] <= 2 * (backlog + 2) / min(weight, 1.0) + 2


def test_what_is_given_back_leaves_its_owner_as_it_was() -> None:
    queue = queue_of(one=1, two=1)
    for cost in (0.1, 0.7, 9.87654):
        queue.serve("one", cost)
        queue.give_back("one", cost)
    assert queue.first() == "one"
    assert queue.key("one") < queue.key("two")
    queue.serve("one", 0.3)
    assert queue.key("one", less=0.3) < queue.key("two") < queue.key("one")


def test_a_guess_that_was_too_high_puts_nobody_behind_who_came_while_it_stood() -> None:
    """The first segments of a farm are charged by guess, and other studios come before it is corrected."""
    queue = queue_of(early=3)
    for _ in range(6):
        queue.serve("early", 10.0)
    queue.know("late", weight=1)
    queue.join("late")
    queue.serve("late", 10.0)
    queue.know("away", weight=1)
    queue.join("away")
    queue.leave("away")
    for _ in range(6):
        queue.charge("early", -9.0)
    queue.charge("late", -9.0)
    queue.join("away")
    served = Counter[str]()
    while served.total() < 50:
        name = queue.first()
        assert name is not None
        queue.serve(name, 1.0)
        served[name] += 1
    assert all(abs(served[name] - due) <= 1 for name, due in {"early": 30, "late": 10, "away": 10}.items())


@pytest.mark.parametrize("early", [2, 4])
def test_several_that_were_charged_by_guess_are_no_further_than_who_came_meanwhile(early: int) -> None:
    queue, charged = FairQueue(), list[str]()
    for number in range(early):
        queue.know(f"early-{number}", weight=1)
        queue.join(f"early-{number}")
    for _ in range(6 * early):
        name = queue.first()
        assert name is not None
        queue.serve(name, 10.0)
        charged.append(name)
    queue.know("late", weight=1)
    queue.join("late")
    for name in charged:
        queue.charge(name, -9.0)
    served = Counter[str]()
    while served.total() < 30 * (early + 1):
        name = queue.first()
        assert name is not None
        queue.serve(name, 1.0)
        served[name] += 1
    assert all(abs(each - 30) <= 1 for each in served.values())
    assert len(served) == early + 1


@given(
    weights=st.dictionaries(st.sampled_from("abcd"), st.floats(0.5, 20), min_size=2),
    guess=st.floats(0.1, 30),
    slots=st.integers(1, 8),
    gaps=st.lists(st.integers(1, 12), min_size=4, max_size=4),
)
def test_whatever_was_guessed_at_first_everybody_gets_its_share_from_the_day_it_came(
    weights: dict[str, float], guess: float, slots: int, gaps: list[int]
) -> None:
    """Everybody comes while guesses stand; two rounds of slots, no more, are what it costs anybody."""
    queue, running, served = FairQueue(), list[tuple[str, float]](), Counter[str]()
    arrivals = dict(zip(accumulate(gaps), weights, strict=False))
    estimate = guess
    for turn in range(400):
        if (name := arrivals.pop(turn, None)) is not None:
            queue.know(name, weight=weights[name])
            queue.join(name)
        while len(running) < slots and (first := queue.first()) is not None:
            queue.serve(first, estimate)
            running.append((first, estimate))
        if running:
            name, charged = running.pop(0)
            queue.charge(name, 1.0 - charged)
            estimate = 1.0
            if not arrivals:
                served[name] += 1
    for one in weights:
        for other in weights:
            apart = abs(served[one] / weights[one] - served[other] / weights[other])
            assert apart <= 2 * (slots + 1) * (1 / weights[one] + 1 / weights[other]) + 1e-6


def test_what_one_gets_back_late_is_not_for_those_who_came_since_at_anothers_cost() -> None:
    """A slow replica of a light studio is lost; an honest one goes on beside a newcomer as their weights say."""
    queue = queue_of(light=0.01, honest=1)
    queue.serve("light", 10.0)
    for _ in range(800):
        queue.serve("honest", 1.0)
    queue.know("late", weight=1)
    queue.join("late")
    queue.give_back("light", 10.0)
    before = Counter[str]()
    while (name := queue.first()) != "honest":
        assert name is not None
        queue.serve(name, 1.0)
        before[name] += 1
    assert before["light"] <= 10, "what it gave back, and one more"
    assert before["late"] <= 10


def test_who_left_leaves_no_trace_in_what_the_others_weigh() -> None:
    queue = queue_of(heavy=1e6, light=1e-11, other=1e-11)
    queue.leave("heavy")
    queue.serve("light", 10.0)
    assert queue.first() == "other"


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
    assert costs.estimate(Profile.FULL) == 7.0


def test_the_percentile_is_of_recent_measurements_and_waits_for_enough() -> None:
    costs = CostTable(first_cost=1.0)
    for value in range(7):
        costs.add(KIND, float(value))
    assert costs.percentile_95(KIND, at_least=8) is None
    for value in range(1000):
        costs.add(KIND, 100.0 + value % 100)
    assert costs.percentile_95(KIND, at_least=8) == pytest.approx(195, abs=2)
