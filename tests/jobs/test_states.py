from __future__ import annotations

import itertools

import pytest

from jobs.states import TRANSITIONS, IllegalTransition, SegmentEvent, SegmentState, next_state

EVERY_PAIR = list(itertools.product(SegmentState, SegmentEvent))


@pytest.mark.parametrize(("state", "event"), EVERY_PAIR, ids=lambda member: member.name.lower())
def test_every_pair_is_in_the_table_or_raises(state: SegmentState, event: SegmentEvent) -> None:
    if (state, event) in TRANSITIONS:
        assert next_state(state, event) is TRANSITIONS[state, event]
    else:
        with pytest.raises(IllegalTransition, match=state.value):
            next_state(state, event)


def test_a_segment_goes_the_straight_way() -> None:
    state = SegmentState.BLOCKED
    for event in (SegmentEvent.MOTION_MERGED, SegmentEvent.LEASED, SegmentEvent.COMMITTED):
        state = next_state(state, event)
    assert state is SegmentState.COMMITTED


def test_a_final_state_is_never_left() -> None:
    for (state, _), after in TRANSITIONS.items():
        assert not state.is_terminal or after is state


def test_a_lost_attempt_makes_the_segment_ready_again() -> None:
    assert next_state(SegmentState.LEASED, SegmentEvent.ATTEMPT_LOST) is SegmentState.READY


def test_only_a_leased_segment_holds_a_replica() -> None:
    assert [state for state in SegmentState if state.holds_replica] == [SegmentState.LEASED]
    assert {state for state in SegmentState if state.is_terminal} == {
        SegmentState.COMMITTED,
        SegmentState.FAILED,
    }
