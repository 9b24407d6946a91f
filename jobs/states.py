"""The life of a segment, as a table; anything the table does not list is a bug and raises.

BLOCKED ──motion merged──► READY ──leased──► LEASED ──committed──► COMMITTED
                             ▲                 │ attempt lost, attempt failed
                             └─────────────────┤
                                               └─ gave up ──► FAILED
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from types import MappingProxyType
from typing import Self


class SegmentState(Enum):
    """Where a segment stands."""

    is_terminal: bool
    holds_replica: bool

    BLOCKED = "blocked", False, False  # the motion it needs is not merged yet
    READY = "ready", False, False  # everything it needs is there; waits for a replica
    LEASED = "leased", False, True  # one replica draws it
    COMMITTED = "committed", True, False  # its bytes are in the store, once and for all
    FAILED = "failed", True, False  # given up; the job fails with it

    def __new__(cls, value: str, is_terminal: bool, holds_replica: bool) -> Self:
        """Make a member that carries its facts."""
        member = object.__new__(cls)
        member._value_ = value
        member.is_terminal = is_terminal
        member.holds_replica = holds_replica
        return member


class SegmentEvent(Enum):
    """What can happen to a segment."""

    MOTION_MERGED = "motion merged"
    LEASED = "leased"
    COMMITTED = "committed"
    ATTEMPT_LOST = "attempt lost"  # the infrastructure failed; the segment is not to blame
    ATTEMPT_FAILED = "attempt failed"  # the segment itself failed; it may run once more
    GAVE_UP = "gave up"


class IllegalTransition(RuntimeError):
    """An event reached a segment in a state where it cannot happen: a bug in the caller."""

    def __init__(self, state: SegmentState, event: SegmentEvent) -> None:
        super().__init__(state, event)
        self.state = state
        self.event = event

    def __str__(self) -> str:
        return f"a segment that is {self.state.value} cannot take the event '{self.event.value}'"


# A commit can be found in any live state: the store is the truth, and an earlier run or an attempt
# believed lost may have written the segment before this run got to it. A second one is a success too.
TRANSITIONS: Mapping[tuple[SegmentState, SegmentEvent], SegmentState] = MappingProxyType(
    {
        (SegmentState.BLOCKED, SegmentEvent.MOTION_MERGED): SegmentState.READY,
        (SegmentState.BLOCKED, SegmentEvent.COMMITTED): SegmentState.COMMITTED,
        (SegmentState.READY, SegmentEvent.LEASED): SegmentState.LEASED,
        (SegmentState.READY, SegmentEvent.COMMITTED): SegmentState.COMMITTED,
        (SegmentState.READY, SegmentEvent.GAVE_UP): SegmentState.FAILED,
        (SegmentState.LEASED, SegmentEvent.COMMITTED): SegmentState.COMMITTED,
        (SegmentState.LEASED, SegmentEvent.ATTEMPT_LOST): SegmentState.READY,
        (SegmentState.LEASED, SegmentEvent.ATTEMPT_FAILED): SegmentState.READY,
        (SegmentState.LEASED, SegmentEvent.GAVE_UP): SegmentState.FAILED,
        (SegmentState.COMMITTED, SegmentEvent.COMMITTED): SegmentState.COMMITTED,
    }
)


def next_state(state: SegmentState, event: SegmentEvent) -> SegmentState:
    """The state after an event.

    Raises:
        IllegalTransition: The event cannot happen in this state.
    """
    try:
        return TRANSITIONS[state, event]
    except KeyError:
        raise IllegalTransition(state, event) from None
