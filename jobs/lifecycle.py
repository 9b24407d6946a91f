"""Where jobs, segments and attempts can stand, and what can happen to them; `jobs.states` says what follows."""

from __future__ import annotations

from enum import Enum
from typing import Self


class SegmentState(Enum):
    """Where a segment stands."""

    is_terminal: bool

    BLOCKED = "blocked", False  # the motion it needs is not merged yet, or was let go
    READY = "ready", False  # everything it needs is there; waits for a replica
    LEASED = "leased", False  # a replica has it
    SUSPECT = "suspect", False  # replicas died over it; waits to run alone on a fresh one
    QUARANTINED = "quarantined", False  # given up; the job's policy or a person decides
    COMMITTED = "committed", True  # its bytes, checked by the replica, are in the store, for good
    WAIVED = "waived", True  # the master does without it
    FAILED = "failed", True  # given up; the job fails with it

    def __new__(cls, value: str, is_terminal: bool) -> Self:
        """Make a member that carries its fact."""
        member = object.__new__(cls)
        member._value_ = value
        member.is_terminal = is_terminal
        return member


class SegmentEvent(Enum):
    """What can happen to a segment."""

    MOTION_MERGED = "motion merged"
    MOTION_GONE = "motion gone"  # it was let go, and is made again before the segment can run
    LEASED = "leased"
    COMMITTED = "committed"
    ATTEMPT_LOST = "attempt lost"  # the infrastructure failed; the segment is not to blame
    ATTEMPT_FAILED = "attempt failed"  # the segment itself failed; it may run once more
    RELEASED = "released"  # the farm took its attempt back
    SUSPECTED = "suspected"  # it may be what kills replicas
    QUARANTINED = "quarantined"
    GAVE_UP = "gave up"
    WAIVED = "waived"
    RETRIED = "retried"


class JobState(Enum):
    """Where a job stands."""

    is_terminal: bool

    RECEIVED = "received", False
    VALIDATING = "validating", False
    PLANNED = "planned", False
    QUEUED = "queued", False  # no segment was started since it came, or came back, into the queue
    RUNNING = "running", False
    STITCHING = "stitching", False
    DELIVERING = "delivering", False
    HELD = (
        "held",
        False,
    )  # waits for a person: on hold, a take to choose, budget spent, segments in quarantine
    PAUSE_REQUESTED = "pause requested", False  # segments that run finish first
    PAUSED = "paused", False
    CANCEL_REQUESTED = "cancel requested", False  # what runs is being stopped
    SUCCEEDED = "succeeded", True
    CANCELLED = "cancelled", True
    FAILED = "failed", True
    REJECTED = "rejected", True
    EXPIRED = "expired", True

    def __new__(cls, value: str, is_terminal: bool) -> Self:
        """Make a member that carries its fact."""
        member = object.__new__(cls)
        member._value_ = value
        member.is_terminal = is_terminal
        return member


class JobEvent(Enum):
    """What can happen to a job."""

    VALIDATION_STARTED = "validation started"
    REJECTED = "rejected"
    PLANNED = "planned"
    QUEUED = "queued"
    HELD = "held"
    STARTED = "started"  # its first segment was leased
    RENDERED = "rendered"  # every segment is committed or waived
    STITCHED = "stitched"
    DELIVERED = "delivered"
    DONE = "done"  # work in one piece, which delivers what it makes
    PAUSE_ASKED = "pause asked"
    QUIET = "quiet"  # nothing of it runs any more
    RESUMED = "resumed"
    CANCEL_ASKED = "cancel asked"
    FAILED = "failed"
    RETRIED = "retried"
    EXPIRED = "expired"


class AttemptState(Enum):
    """Where one try of one segment on one replica stands."""

    is_terminal: bool

    DISPATCHED = "dispatched", False  # waits on its replica behind another
    RUNNING = "running", False
    STOPPING = "stopping", False  # asked to stop; its segment is no longer leased to it
    SUCCEEDED = "succeeded", True
    LOST = "lost", True  # its replica died while it ran
    FAILED = "failed", True
    TIMED_OUT = "timed out", True
    CANCELLED = "cancelled", True
    SUPERSEDED = "superseded", True  # its segment was committed or waived by others
    NEVER_ATTEMPTED = "never attempted", True  # taken back, or its replica died, before it began

    def __new__(cls, value: str, is_terminal: bool) -> Self:
        """Make a member that carries its fact."""
        member = object.__new__(cls)
        member._value_ = value
        member.is_terminal = is_terminal
        return member


class AttemptEvent(Enum):
    """What can happen to an attempt."""

    STARTED = "started"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    TIMED_OUT = "timed out"
    LOST = "lost"
    RECALLED = "recalled"
    STOP_ASKED = "stop asked"
    CANCELLED = "cancelled"
    SUPERSEDED = "superseded"
