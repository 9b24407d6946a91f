"""The line between workers and driver, without the actor around it."""

from __future__ import annotations

from farm.training.progress import Mailbox, Restarted, Resumed, TrainingAdvanced


def advanced(step: int) -> TrainingAdvanced:
    return TrainingAdvanced(step=step, steps=100, losses={})


def test_what_was_told_is_taken_once_and_in_order() -> None:
    mailbox = Mailbox()
    mailbox.tell(Resumed(step=3))
    mailbox.tell(advanced(4))
    assert mailbox.take() == [Resumed(step=3), advanced(4)]
    assert mailbox.take() == []


def test_losses_are_counted_until_the_run_gets_further_than_before() -> None:
    mailbox = Mailbox()
    mailbox.tell(advanced(10))
    assert mailbox.lost("killed") == 1
    mailbox.tell(advanced(9))  # taken again after the last checkpoint: no progress
    assert mailbox.lost("killed") == 2
    mailbox.tell(advanced(11))
    assert mailbox.lost("killed again") == 1
    assert mailbox.take()[-1] == Restarted(reason="killed again", attempt=1)


def test_a_worker_hears_of_a_stop_with_its_next_event() -> None:
    mailbox = Mailbox()
    assert not mailbox.tell(advanced(1))
    mailbox.stop()
    assert mailbox.tell(advanced(2))


def test_a_run_goes_on_from_where_its_first_group_began() -> None:
    fresh, resumed = Mailbox(), Mailbox()
    fresh.lost("killed before it told anything")
    fresh.tell(advanced(1))
    fresh.lost("killed")
    fresh.tell(Resumed(step=1))
    assert fresh.resumed_from() is None
    resumed.lost("killed before it told anything")
    resumed.tell(Resumed(step=5))
    resumed.tell(Resumed(step=8))
    assert resumed.resumed_from() == 5
