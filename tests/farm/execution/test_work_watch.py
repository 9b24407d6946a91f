"""What another thread may ask of a working replica, in every order in which the answers can cross."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farm.execution.work_watch import StopAsked, WorkProgress, WorkWatch


def test_a_waiting_task_is_withdrawn_and_a_begun_one_is_not() -> None:
    watch = WorkWatch()
    assert watch.begin("a")
    assert not watch.withdraw("a")
    assert watch.withdraw("b")
    watch.end()
    assert not watch.withdraw("a"), "it is over"
    assert not watch.begin("b")
    assert watch.progress() == WorkProgress()


def test_frames_are_counted_and_a_wish_to_stop_ends_them() -> None:
    watch = WorkWatch()
    watch.begin("a")
    frames = watch.counted(range(10))
    assert [next(frames), next(frames)] == [0, 1]
    assert watch.progress() == WorkProgress("a", 2, owes_frame=True)
    assert not watch.ask_stop("a")
    with pytest.raises(StopAsked):
        next(frames)


def test_a_task_owes_a_frame_from_when_it_draws_until_its_last_one_is_handed_on() -> None:
    watch = WorkWatch()
    watch.begin("a")
    assert not watch.progress().owes_frame, "it loads"
    seen = []

    def drawn() -> Iterator[int]:
        seen.append(watch.progress().owes_frame)
        yield from range(2)

    frames = watch.counted(drawn())
    assert not watch.progress().owes_frame, "nobody wants a frame yet"
    assert list(frames) == [0, 1]
    assert seen == [True], "the first frame can take for ever as well as any other"
    assert watch.progress() == WorkProgress("a", 2, owes_frame=False), "it checks, writes and commits"
    list(watch.counted(range(0)))
    watch.end()
    assert watch.progress() == WorkProgress()


@pytest.mark.parametrize(
    ("before", "seen", "shows"),
    [
        (WorkProgress("a", 2, owes_frame=True), WorkProgress("a", 3, owes_frame=True), True),
        (WorkProgress("a", 2, owes_frame=True), WorkProgress("a", 2, owes_frame=True), False),
        (WorkProgress("b", 9, owes_frame=True), WorkProgress("a", 2, owes_frame=True), True),
        (WorkProgress("b", 9, owes_frame=True), WorkProgress("a", 0, owes_frame=True), False),
        (WorkProgress("a", 2), WorkProgress("a", 2), True),
        (WorkProgress(), WorkProgress("a", 0), True),
        (WorkProgress("a", 2), WorkProgress(), False),
    ],
    ids=str,
)
def test_only_a_task_that_owes_a_frame_can_stand_still(
    before: WorkProgress, seen: WorkProgress, shows: bool
) -> None:
    assert seen.shows_progress_since(before) is shows


def test_a_wish_to_stop_reaches_the_task_it_names_and_no_other() -> None:
    watch = WorkWatch()
    watch.begin("a")
    assert watch.ask_stop("b"), "it has not begun, and now never will"
    watch.check()
    watch.end()
    assert not watch.ask_stop("a"), "it is over"
    watch.begin("c")
    watch.check()


@given(st.lists(st.tuples(st.sampled_from(["withdraw", "stop", "work"]), st.integers(0, 4)), max_size=30))
def test_a_task_whose_withdrawal_was_granted_never_runs(steps: list[tuple[str, int]]) -> None:
    watch, granted, begun, queue = WorkWatch(), set(), set(), [f"t{index}" for index in range(5)]
    for step, index in steps:
        key = f"t{index}"
        if step == "work":
            if queue:
                watch.end()
                key = queue.pop(0)
                if watch.begin(key):
                    begun.add(key)
        elif watch.withdraw(key) if step == "withdraw" else watch.ask_stop(key):
            granted.add(key)
    for key in queue:
        if watch.begin(key):
            begun.add(key)
    assert granted & begun == set()
    assert granted | begun == {f"t{index}" for index in range(5)}
