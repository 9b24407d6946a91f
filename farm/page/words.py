"""States in groups, as the page colours and counts them; a person need not know all seventeen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from farm.api.job_answers import WAITING
from jobs.lifecycle import JobState, SegmentState


class StateGroup(StrEnum):
    """What a state means for whoever looks; each has a colour."""

    WAITING = "waiting"
    ACTIVE = "active"
    ATTENTION = "attention"  # nothing goes on before a person does something
    DONE = "done"
    FAILED = "failed"
    OVER = "over"  # ended without a master, because somebody wanted so


_OF_JOBS: Final[Mapping[str, StateGroup]] = {WAITING: StateGroup.WAITING} | {
    state.value: group
    for group, states in {
        StateGroup.WAITING: (JobState.RECEIVED, JobState.VALIDATING, JobState.PLANNED, JobState.QUEUED),
        StateGroup.ACTIVE: (
            JobState.RUNNING,
            JobState.STITCHING,
            JobState.DELIVERING,
            JobState.CANCEL_REQUESTED,
            JobState.PAUSE_REQUESTED,
        ),
        StateGroup.ATTENTION: (JobState.HELD, JobState.PAUSED),
        StateGroup.DONE: (JobState.SUCCEEDED,),
        StateGroup.FAILED: (JobState.FAILED, JobState.REJECTED),
        StateGroup.OVER: (JobState.CANCELLED, JobState.EXPIRED),
    }.items()
    for state in states
}
GROUP_NAMES: Final[Mapping[StateGroup, str]] = {
    StateGroup.ACTIVE: "running",
    StateGroup.WAITING: "waiting",
    StateGroup.ATTENTION: "need you",
    StateGroup.DONE: "done",
    StateGroup.FAILED: "failed",
    StateGroup.OVER: "ended",
}
"""What people call each group of jobs, in the order in which the page shows them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentWords:
    """A state of a segment.

    Attributes:
        name: What people call it.
        key: Names its colour and shape.
    """

    name: str
    key: str


SEGMENT_WORDS: Final[Mapping[SegmentState, SegmentWords]] = {
    SegmentState.COMMITTED: SegmentWords(name="done", key="committed"),
    SegmentState.LEASED: SegmentWords(name="being rendered", key="leased"),
    SegmentState.READY: SegmentWords(name="waiting for a replica", key="ready"),
    SegmentState.BLOCKED: SegmentWords(name="waiting for motion", key="blocked"),
    SegmentState.SUSPECT: SegmentWords(name="to be tried alone, as replicas died over it", key="suspect"),
    SegmentState.QUARANTINED: SegmentWords(name="given up, waiting for you", key="quarantined"),
    SegmentState.FAILED: SegmentWords(name="failed", key="failed"),
    SegmentState.WAIVED: SegmentWords(name="left out", key="waived"),
}
"""In the order in which bars show them."""


def group_of(state: str) -> StateGroup:
    """The group of a job's state."""
    return _OF_JOBS.get(state, StateGroup.WAITING)


def states_of(group: StateGroup) -> frozenset[str]:
    """The states of a group of jobs."""
    return frozenset(state for state, other in _OF_JOBS.items() if other is group)
