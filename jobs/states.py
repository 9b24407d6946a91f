"""The lives of jobs, segments and attempts, as one table; anything the table does not list is a bug and raises.

    BLOCKED ◄──motion gone── READY or SUSPECT
    BLOCKED ──motion merged──► READY ──leased──► LEASED ──committed──► COMMITTED
                                 ▲                │ │ attempt lost, failed, taken back
                                 └────────────────┘ ├─ replicas died over it ──► SUSPECT ──leased, alone──► LEASED
                                                    └─ given up ──► QUARANTINED or FAILED ──retried──► READY

    RECEIVED ► VALIDATING ► PLANNED ► QUEUED ► RUNNING ► STITCHING ► DELIVERING ► SUCCEEDED
    beside it: HELD, PAUSE_REQUESTED ► PAUSED, CANCEL_REQUESTED ► CANCELLED, FAILED, REJECTED, EXPIRED

Terminal states absorb. Only a user's retry, which is recorded, leaves FAILED and WAIVED; nothing leaves COMMITTED.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import overload

from jobs.lifecycle import AttemptEvent, AttemptState, JobEvent, JobState, SegmentEvent, SegmentState
from jobs.reasons import Reason, ReasonKind

__all__ = [
    "TRANSITIONS",
    "AttemptEvent",
    "AttemptState",
    "IllegalTransition",
    "JobEvent",
    "JobState",
    "SegmentEvent",
    "SegmentState",
    "Transition",
    "next_state",
    "step",
]

State = SegmentState | JobState | AttemptState
Event = SegmentEvent | JobEvent | AttemptEvent
R = ReasonKind


@dataclass(frozen=True, slots=True)
class Transition:
    """Where an event leads, and the kinds of reason that can explain it."""

    state: State
    reasons: frozenset[ReasonKind]


class IllegalTransition(RuntimeError):
    """An event came in a state where it cannot happen, or with a reason that cannot explain it: a caller's bug."""

    def __init__(self, state: State, event: Event, reason: Reason | None = None) -> None:
        super().__init__(state, event, reason)
        self.state = state
        self.event = event
        self.reason = reason

    def __str__(self) -> str:
        noun = {SegmentState: "a segment", JobState: "a job", AttemptState: "an attempt"}[type(self.state)]
        because = f" for a reason of kind '{self.reason.kind}'" if self.reason else ""
        return f"{noun} that is {self.state.value} cannot take the event '{self.event.value}'{because}"


@overload
def next_state(state: SegmentState, event: SegmentEvent) -> SegmentState: ...
@overload
def next_state(state: JobState, event: JobEvent) -> JobState: ...
@overload
def next_state(state: AttemptState, event: AttemptEvent) -> AttemptState: ...
def next_state(state: State, event: Event) -> State:
    """The state after an event.

    Raises:
        IllegalTransition: The event cannot happen in this state.
    """
    try:
        return TRANSITIONS[state, event].state
    except KeyError:
        raise IllegalTransition(state, event) from None


@overload
def step(state: SegmentState, event: SegmentEvent, reason: Reason) -> SegmentState: ...
@overload
def step(state: JobState, event: JobEvent, reason: Reason) -> JobState: ...
@overload
def step(state: AttemptState, event: AttemptEvent, reason: Reason) -> AttemptState: ...
def step(state: State, event: Event, reason: Reason) -> State:
    """The state after an event that is explained.

    Raises:
        IllegalTransition: The event cannot happen in this state, or not for a reason of this kind.
    """
    transition = TRANSITIONS.get((state, event))
    if transition is None:
        raise IllegalTransition(state, event)
    if reason.kind not in transition.reasons:
        raise IllegalTransition(state, event, reason)
    return transition.state


Rows = Iterator[tuple[tuple[State, Event], Transition]]


def _rows(states: str, event: Event, after: State | None, *reasons: ReasonKind) -> Rows:
    """One row for each state named; without a state to go to, the event changes nothing."""
    kinds: dict[type[Event], type[State]]
    kinds = {SegmentEvent: SegmentState, JobEvent: JobState, AttemptEvent: AttemptState}
    kind = kinds[type(event)]
    for name in states.split():
        before: State = kind[name]
        yield (before, event), Transition(after or before, frozenset(reasons))


def _segment_rows() -> Rows:
    state, event = SegmentState, SegmentEvent
    yield from _rows("BLOCKED", event.MOTION_MERGED, state.READY, R.WORK)
    yield from _rows("BLOCKED", event.SUSPECTED, state.SUSPECT, R.WORK)
    yield from _rows("READY SUSPECT", event.MOTION_GONE, state.BLOCKED, R.WORK)
    yield from _rows("READY SUSPECT", event.LEASED, state.LEASED, R.TURN)
    # A commit can be found in any live state: the store is the truth, and an earlier run or an attempt
    # believed lost may have written the segment before this run got to it. A second one is a success too.
    yield from _rows("LEASED", event.COMMITTED, state.COMMITTED, R.WORK, R.STORE)
    yield from _rows("BLOCKED READY SUSPECT QUARANTINED", event.COMMITTED, state.COMMITTED, R.STORE)
    yield from _rows("COMMITTED WAIVED", event.COMMITTED, None, R.WORK, R.STORE)
    yield from _rows(
        "LEASED", event.ATTEMPT_LOST, state.READY, R.INFRASTRUCTURE, R.PREEMPTION, R.STORAGE, R.HANG
    )
    yield from _rows("LEASED", event.ATTEMPT_FAILED, state.READY, R.OUTPUT)
    yield from _rows("LEASED", event.RELEASED, state.READY, R.TURN, R.USER, R.PREEMPTION, R.POLICY)
    yield from _rows(
        "LEASED",
        event.SUSPECTED,
        state.SUSPECT,
        R.SUSPICION,
        R.TURN,
        R.INFRASTRUCTURE,
        R.PREEMPTION,
        R.STORAGE,
        R.OUTPUT,
        R.USER,
        R.POLICY,
    )
    yield from _rows("LEASED", event.QUARANTINED, state.QUARANTINED, R.SUSPICION, R.OUTPUT)
    yield from _rows("LEASED", event.GAVE_UP, state.FAILED, R.PERMANENT)
    yield from _rows("BLOCKED READY LEASED SUSPECT", event.WAIVED, state.WAIVED, R.USER)
    yield from _rows("QUARANTINED", event.WAIVED, state.WAIVED, R.USER, R.POLICY)
    yield from _rows("SUSPECT QUARANTINED FAILED WAIVED", event.RETRIED, state.READY, R.USER)


def _job_rows() -> Rows:
    state, event = JobState, JobEvent
    yield from _rows("RECEIVED", event.VALIDATION_STARTED, state.VALIDATING, R.PLAN)
    yield from _rows("RECEIVED VALIDATING PLANNED", event.REJECTED, state.REJECTED, R.REFUSAL)
    yield from _rows("VALIDATING", event.PLANNED, state.PLANNED, R.PLAN)
    yield from _rows("PLANNED", event.QUEUED, state.QUEUED, R.PLAN)
    yield from _rows("PLANNED", event.HELD, state.HELD, R.USER)
    yield from _rows("QUEUED RUNNING", event.HELD, state.HELD, R.POLICY, R.BUDGET, R.CHOICE)
    yield from _rows("QUEUED", event.STARTED, state.RUNNING, R.TURN)
    yield from _rows("QUEUED RUNNING", event.RENDERED, state.STITCHING, R.WORK)
    yield from _rows("STITCHING", event.STITCHED, state.DELIVERING, R.WORK)
    yield from _rows("DELIVERING", event.DELIVERED, state.SUCCEEDED, R.WORK)
    # Work in one piece delivers what it makes.
    yield from _rows("QUEUED RUNNING", event.DONE, state.SUCCEEDED, R.WORK)
    yield from _rows("QUEUED RUNNING", event.PAUSE_ASKED, state.PAUSE_REQUESTED, R.USER)
    yield from _rows("PAUSE_REQUESTED PAUSED", event.PAUSE_ASKED, None, R.USER)
    yield from _rows("PAUSE_REQUESTED", event.QUIET, state.PAUSED, R.WORK)
    yield from _rows("PAUSE_REQUESTED", event.RESUMED, state.RUNNING, R.USER)
    yield from _rows("HELD PAUSED", event.RESUMED, state.QUEUED, R.USER)
    yield from _rows("QUEUED RUNNING", event.RESUMED, None, R.USER)
    yield from _rows("RECEIVED VALIDATING PLANNED QUEUED", event.CANCEL_ASKED, state.CANCEL_REQUESTED, R.USER)
    yield from _rows("RUNNING HELD PAUSED", event.CANCEL_ASKED, state.CANCEL_REQUESTED, R.USER)
    yield from _rows("PAUSE_REQUESTED STITCHING", event.CANCEL_ASKED, state.CANCEL_REQUESTED, R.USER)
    yield from _rows("DELIVERING", event.CANCEL_ASKED, state.CANCEL_REQUESTED, R.USER)
    yield from _rows("CANCEL_REQUESTED CANCELLED", event.CANCEL_ASKED, None, R.USER)
    yield from _rows("CANCEL_REQUESTED", event.QUIET, state.CANCELLED, R.WORK)
    # Where the farm itself fails over a job, the job ends wherever it stands; one that is being cancelled is cancelled.
    yield from _rows("VALIDATING QUEUED", event.FAILED, state.FAILED, R.PERMANENT, R.POLICY, R.INTERNAL)
    yield from _rows("RUNNING PAUSE_REQUESTED", event.FAILED, state.FAILED, R.PERMANENT, R.POLICY, R.INTERNAL)
    yield from _rows("STITCHING DELIVERING", event.FAILED, state.FAILED, R.OUTPUT, R.INTERNAL)
    yield from _rows("RECEIVED PLANNED PAUSED", event.FAILED, state.FAILED, R.INTERNAL)
    # While it waits for a choice, its takes are sketched.
    yield from _rows("HELD", event.FAILED, state.FAILED, R.PERMANENT, R.INTERNAL)
    yield from _rows("FAILED", event.RETRIED, state.QUEUED, R.USER)
    # The store may turn out to hold what a job is held for.
    yield from _rows("HELD", event.RETRIED, state.QUEUED, R.USER, R.STORE)
    yield from _rows("QUEUED RUNNING PAUSE_REQUESTED PAUSED", event.RETRIED, None, R.USER)
    yield from _rows("HELD PAUSED", event.EXPIRED, state.EXPIRED, R.AGE)


def _attempt_rows() -> Rows:
    state, event = AttemptState, AttemptEvent
    yield from _rows("DISPATCHED", event.STARTED, state.RUNNING, R.TURN)
    yield from _rows("DISPATCHED RUNNING", event.SUCCEEDED, state.SUCCEEDED, R.WORK)
    yield from _rows(
        "DISPATCHED RUNNING", event.FAILED, state.FAILED, R.OUTPUT, R.PERMANENT, R.STORAGE, R.INFRASTRUCTURE
    )
    yield from _rows("RUNNING", event.TIMED_OUT, state.TIMED_OUT, R.HANG)
    yield from _rows("RUNNING", event.LOST, state.LOST, R.INFRASTRUCTURE, R.PREEMPTION)
    yield from _rows("DISPATCHED", event.LOST, state.NEVER_ATTEMPTED, R.INFRASTRUCTURE, R.PREEMPTION)
    yield from _rows("DISPATCHED", event.RECALLED, state.NEVER_ATTEMPTED, R.TURN, R.USER, R.PREEMPTION)
    yield from _rows("DISPATCHED RUNNING", event.STOP_ASKED, state.STOPPING, R.USER, R.POLICY, R.RIVAL)
    yield from _rows("STOPPING", event.CANCELLED, state.CANCELLED, R.USER, R.POLICY)
    yield from _rows("STOPPING", event.SUPERSEDED, state.SUPERSEDED, R.RIVAL)


def _table() -> Mapping[tuple[State, Event], Transition]:
    table: dict[tuple[State, Event], Transition] = {}
    for rows in (_segment_rows(), _job_rows(), _attempt_rows()):
        for pair, transition in rows:
            if pair in table:
                raise AssertionError(f"{pair} is in the table twice")
            table[pair] = transition
    return MappingProxyType(table)


TRANSITIONS = _table()
