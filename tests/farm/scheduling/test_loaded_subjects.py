"""A job whose subject a replica has loaded may go before the turn, and nobody is kept from a turn by it."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hand_driven_farm import HandDrivenFarm

from farm.scheduling.messages import Dispatch, Purpose


def served_beside_newcomers(*, alive: int, segments: int, times: int, **pool: float) -> list[str]:
    """Whom one replica serves while so many newer jobs of another subject than the first job's are always there."""
    farm = HandDrivenFarm(**pool)
    farm.submit("long", segments=1000, subject="actor-a")
    order: list[str] = []
    came = 0
    for _ in range(times):
        newer = (job for name, job in farm.scheduler.jobs.items() if name != "long")
        for _ in range(alive - sum(job.unsettled > 0 for job in newer)):
            came += 1
            farm.submit(f"new-{came}", segments=segments, subject="actor-b")
        order.append(farm.succeed().job)
    return order


def longest_gap(order: list[str], name: str) -> int:
    places = [-1, *(place for place, served in enumerate(order) if served == name), len(order)]
    return max(later - earlier - 1 for earlier, later in pairwise(places))


@pytest.mark.parametrize(("alive", "segments"), [(3, 1), (4, 2), (10, 3), (10, 1)])
def test_newcomers_whose_subject_is_loaded_do_not_keep_an_older_job_from_its_share(
    alive: int, segments: int
) -> None:
    order = served_beside_newcomers(alive=alive, segments=segments, times=240)
    assert order.count("long") >= 240 // (2 * (alive + 1))
    # Its own subject is loaded at times: then it is five ahead, and waits for as many rounds of all the others.
    assert longest_gap(order, "long") <= 7 * (alive + 1)


def test_many_jobs_with_a_loaded_subject_are_together_no_further_ahead_than_one_may_be() -> None:
    farm = HandDrivenFarm(slots=1, warm_lead=3.0)
    for number in range(8):
        farm.submit(f"warm-{number}", segments=40, subject="actor-b")
    farm.submit("long", segments=40, subject="actor-a")
    in_a_row, most = 0, 0
    for _ in range(200):
        farm.succeed()
        (last,) = farm.waiting["r0"]
        in_a_row = in_a_row + 1 if last.purpose is Purpose.WARM else 0
        most = max(most, in_a_row)
    assert 0 < most <= 3 + 1


def test_the_first_lease_of_a_job_comes_in_its_turn() -> None:
    farm = HandDrivenFarm(slots=1)
    farm.submit("long", segments=40, subject="actor-a")
    farm.submit("other", segments=40, subject="actor-b")
    for number in range(30):
        farm.submit(f"new-{number}", segments=1, subject="actor-b")
        farm.succeed()
    first_leases: dict[str, Purpose] = {}
    for action in farm.took(Dispatch):
        assert isinstance(action, Dispatch)
        first_leases.setdefault(action.job, action.purpose)
    assert set(first_leases.values()) == {Purpose.TURN}
