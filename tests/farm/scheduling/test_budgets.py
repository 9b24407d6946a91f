"""Jobs that may spend only so much: whose place changes when a cost is learned, and that nobody else is looked at."""

from __future__ import annotations

from hand_driven_farm import HandDrivenFarm
from hypothesis import given
from hypothesis import strategies as st

from farm.scheduling.audit import audit
from farm.scheduling.costs import Budgets
from farm.scheduling.messages import Delivered, Forget, Stitched
from jobs.lifecycle import JobState
from jobs.spec import Profile

KIND, OTHER = Profile.PREVIEW, Profile.FULL


@given(
    notes=st.lists(
        st.tuples(st.sampled_from("abcdefgh"), st.sampled_from((KIND, OTHER)), st.integers(-5, 30))
    ),
    dropped=st.sets(st.sampled_from("abcdefgh"), max_size=3),
    before=st.integers(0, 25),
    after=st.integers(0, 25),
)
def test_who_can_pay_before_or_after_but_not_both(
    notes: list[tuple[str, Profile, int]], dropped: set[str], before: int, after: int
) -> None:
    budgets, known = Budgets(), dict[str, tuple[Profile, int]]()
    for name, kind, headroom in notes:
        budgets.note(name, kind, float(headroom))
        known[name] = kind, headroom
    for name in dropped:
        budgets.drop(name)
        known.pop(name, None)
    found = budgets.between(KIND, float(before), float(after))
    assert set(found) == {
        name
        for name, (kind, headroom) in known.items()
        if kind == KIND and (before <= headroom) is not (after <= headroom)
    }
    assert len(budgets) == len(known)


def test_a_cost_that_is_learned_touches_only_who_can_pay_no_more_or_can_again() -> None:
    farm = HandDrivenFarm(first_cost=10.0)
    farm.submit("film", segments=9)
    for name, budget in (("rich", 1e6), ("poor", 12.0), ("broke", 1.0)):
        farm.submit(name, segments=2, max_gpu_seconds=budget)
    farm.submit("another-kind", segments=2, max_gpu_seconds=12.0, profile=Profile.FULL)
    state = farm.scheduler.state
    state.learn_cost(farm.job("film"), 11.0)
    assert set(state.changed) == set()
    state.learn_cost(farm.job("film"), 30.0)
    assert set(state.changed) == {"poor"}


def test_a_job_is_held_when_segments_cost_more_than_it_has_left_and_served_when_they_cost_less() -> None:
    farm = HandDrivenFarm(first_cost=10.0, slots=1)
    farm.submit("film", segments=9)
    farm.submit("poor", segments=2, max_gpu_seconds=12.0, studio="south")
    farm.submit("small", segments=1, max_gpu_seconds=12.0, studio="west")
    farm.succeed(seconds=13.0)
    assert farm.job("poor").state is JobState.HELD
    assert farm.job("small").state is JobState.HELD
    farm.submit("dear", segments=1, profile=Profile.FULL, max_gpu_seconds=9.0)
    assert farm.job("dear").state is JobState.HELD


def test_a_job_that_waits_beside_what_runs_of_it_goes_on_when_segments_cost_less() -> None:
    farm = HandDrivenFarm(first_cost=10.0, replicas=2, slots=1)
    farm.submit("film", segments=2, max_gpu_seconds=19.0)
    farm.submit("other", segments=1, studio="south")
    assert [len(farm.held(name)) for name in ("r0", "r1")] == [1, 1]
    farm.begin("r0")
    farm.succeed("r1", seconds=2.0)
    assert farm.held("r1") == [("film", 1)]


def test_jobs_that_have_ended_are_not_kept() -> None:
    farm = HandDrivenFarm()
    farm.submit("film", segments=1, max_gpu_seconds=1e6)
    assert len(farm.scheduler.state.budgets) == 1
    farm.succeed()
    farm.tell(Stitched("film"))
    farm.tell(Delivered("film"))
    assert len(farm.scheduler.state.budgets) == 0
    farm.tell(Forget("film"))


def test_the_audit_sees_a_budget_that_is_noted_wrong() -> None:
    farm = HandDrivenFarm()
    farm.submit("film", segments=3, max_gpu_seconds=1e6)
    farm.job("film").spent += 1.0
    assert "film: has" in "; ".join(audit(farm.scheduler.state))
