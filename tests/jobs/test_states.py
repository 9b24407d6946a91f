from __future__ import annotations

import itertools
from typing import Any

import pytest

from jobs.lifecycle import AttemptEvent, AttemptState, JobEvent, JobState
from jobs.reasons import Reason, ReasonKind
from jobs.states import TRANSITIONS, IllegalTransition, SegmentEvent, SegmentState, next_state, step

KINDS = ((SegmentState, SegmentEvent), (JobState, JobEvent), (AttemptState, AttemptEvent))
EVERY_PAIR = [pair for states, events in KINDS for pair in itertools.product(states, events)]
RETRIES = {SegmentEvent.RETRIED, JobEvent.RETRIED}


@pytest.mark.parametrize(
    ("state", "event"), EVERY_PAIR, ids=lambda member: f"{type(member).__name__}-{member.name.lower()}"
)
def test_every_pair_is_in_the_table_or_raises(state: Any, event: Any) -> None:
    if (state, event) in TRANSITIONS:
        transition = TRANSITIONS[state, event]
        assert next_state(state, event) is transition.state
        for kind in ReasonKind:
            if kind in transition.reasons:
                assert step(state, event, Reason(kind, "it is so")) is transition.state
            else:
                with pytest.raises(IllegalTransition, match=kind.value):
                    step(state, event, Reason(kind, "it is so"))
    else:
        with pytest.raises(IllegalTransition, match=state.value):
            next_state(state, event)
        with pytest.raises(IllegalTransition, match=event.value):
            step(state, event, Reason(ReasonKind.USER, "somebody tried"))


def test_every_transition_can_be_explained() -> None:
    assert all(transition.reasons for transition in TRANSITIONS.values())


@pytest.mark.parametrize(
    ("start", "states"), [(SegmentState.BLOCKED, SegmentState), (JobState.RECEIVED, JobState)]
)
def test_every_state_can_be_reached(start: Any, states: Any) -> None:
    reached, new = {start}, {start}
    while new:
        new = {rule.state for (state, _), rule in TRANSITIONS.items() if state in reached} - reached
        reached |= new
    assert reached == set(states)


def test_every_live_job_has_a_way_to_an_end() -> None:
    ending = {state for state in JobState if state.is_terminal}
    while more := {state for (state, _), rule in TRANSITIONS.items() if rule.state in ending} - ending:
        ending |= more
    assert ending == set(JobState)


def test_pause_and_cancel_are_asked_for_before_they_are_so() -> None:
    asked = {JobState.PAUSED: JobState.PAUSE_REQUESTED, JobState.CANCELLED: JobState.CANCEL_REQUESTED}
    for (before, _), rule in TRANSITIONS.items():
        if rule.state in asked and before is not rule.state:
            assert before is asked[rule.state]


def test_a_segment_goes_the_straight_way() -> None:
    state = SegmentState.BLOCKED
    for event in (SegmentEvent.MOTION_MERGED, SegmentEvent.LEASED, SegmentEvent.COMMITTED):
        state = next_state(state, event)
    assert state is SegmentState.COMMITTED


def test_a_terminal_state_is_left_by_a_retry_alone_and_committed_never() -> None:
    for (state, event), rule in TRANSITIONS.items():
        if state.is_terminal and rule.state is not state:
            assert event in RETRIES
            assert rule.reasons == {ReasonKind.USER}
        if state is SegmentState.COMMITTED:
            assert rule.state is state


def test_a_lost_attempt_makes_the_segment_ready_again() -> None:
    assert next_state(SegmentState.LEASED, SegmentEvent.ATTEMPT_LOST) is SegmentState.READY


def test_committed_waived_and_failed_segments_are_over() -> None:
    assert {state for state in SegmentState if state.is_terminal} == {
        SegmentState.COMMITTED,
        SegmentState.WAIVED,
        SegmentState.FAILED,
    }
