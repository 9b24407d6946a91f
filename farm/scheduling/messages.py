"""What can happen to the farm, what the scheduler wants done then, and what it refuses.

Events come from users, from replicas, from the other stages and from the clock; actions are wanted in their order.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from farm.scheduling.job_request import JobRequest
from farm.scheduling.units import Stage
from jobs.errors import ExitCode, FarmError
from jobs.farm_requests import CancelRequest, PauseRequest, ResumeRequest, RetryRequest


class AttemptId(NamedTuple):
    """One attempt in one run of the coordinator; answers to an earlier run's attempts are recognised by it."""

    epoch: int
    number: int


@dataclass(frozen=True, slots=True)
class Submit:
    """A planned job enters the queue."""

    request: JobRequest


@dataclass(frozen=True, slots=True)
class Restore:
    """A job that an earlier run took in goes on: it is in the queue, or held, as the journal says already.

    So no transition is recorded for it, and a full queue does not turn it away.
    """

    request: JobRequest


@dataclass(frozen=True, slots=True)
class Requeue:
    """Those of these segments that were given up or waived go back in line; committed ones stay committed."""

    job: str
    segments: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Waive:
    """The master does without these segments."""

    job: str
    segments: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Chosen:
    """Somebody chose the take that is rendered: the job's segments are those of that take."""

    job: str


@dataclass(frozen=True, slots=True)
class Expire:
    """Nobody came back to a held or paused job, as to one that waits for a choice for longer than the farm keeps it."""

    job: str


@dataclass(frozen=True, slots=True)
class Forget:
    """A job that has ended is dropped from memory."""

    job: str


@dataclass(frozen=True, slots=True)
class SegmentsReady:
    """What these segments are made of is there: they may be drawn."""

    job: str
    segments: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class MotionGone:
    """What the job's segments are made of is not held any more: those that wait are blocked until it is there again.

    Attributes:
        segments: Only these; all of the job with None.
    """

    job: str
    segments: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True)
class SegmentFound:
    """The store holds the segment, whoever wrote it."""

    job: str
    segment: int


@dataclass(frozen=True, slots=True)
class Stitched:
    """The master is joined."""

    job: str


@dataclass(frozen=True, slots=True)
class Delivered:
    """The master lies where the job wants it."""

    job: str


@dataclass(frozen=True, slots=True)
class FinishFailed:
    """The master cannot be joined or delivered."""

    job: str
    error: FarmError


@dataclass(frozen=True, slots=True)
class Broken:
    """Something that all of the job needs cannot be had, and nobody tries it again.

    Attributes:
        is_internal: The farm itself failed over the job: it ends wherever it stands, unless it is being cancelled.
    """

    job: str
    error: FarmError
    is_internal: bool = False


@dataclass(frozen=True, slots=True)
class FinishStopped:
    """Joining or delivering stopped as asked."""

    job: str


@dataclass(frozen=True, slots=True)
class ReplicaJoined:
    """A replica of a pool has started and has loaded nothing yet."""

    replica: str
    stage: Stage = Stage.RENDER


@dataclass(frozen=True, slots=True)
class ReplicaGone:
    """A replica is gone.

    Attributes:
        explained: Its node died, was preempted, or we killed it: no segment is to blame.
    """

    replica: str
    explained: bool = False


@dataclass(frozen=True, slots=True)
class Drain:
    """The replica finishes what it runs, gets nothing more and retires."""

    replica: str


@dataclass(frozen=True, slots=True)
class Started:
    """The replica has begun the attempt."""

    attempt: AttemptId


@dataclass(frozen=True, slots=True)
class Progressed:
    """The attempt drew another frame."""

    attempt: AttemptId


@dataclass(frozen=True, slots=True)
class Succeeded:
    """The attempt committed its segment, or found an equal copy in the store."""

    attempt: AttemptId
    seconds: float


@dataclass(frozen=True, slots=True)
class AttemptFailed:
    """The attempt did not commit."""

    attempt: AttemptId
    error: FarmError
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Recalled:
    """The attempt was taken back before it began."""

    attempt: AttemptId


@dataclass(frozen=True, slots=True)
class Stopped:
    """The attempt stopped as asked."""

    attempt: AttemptId


@dataclass(frozen=True, slots=True)
class Tick:
    """Time has passed."""


UserEvent = (
    Submit
    | Restore
    | PauseRequest
    | ResumeRequest
    | CancelRequest
    | RetryRequest
    | Requeue
    | Waive
    | Chosen
    | Expire
    | Forget
)
WorkEvent = Started | Progressed | Succeeded | AttemptFailed | Recalled | Stopped
PlaceEvent = ReplicaJoined | ReplicaGone | Drain
FlowEvent = (
    SegmentsReady | MotionGone | SegmentFound | Broken | Stitched | Delivered | FinishFailed | FinishStopped
)
FarmEvent = UserEvent | WorkEvent | PlaceEvent | FlowEvent | Tick


class Purpose(StrEnum):
    """Why a segment goes to a replica now."""

    TURN = "turn"  # its job is first in line
    WARM = "warm"  # its subject is loaded there, and its job is not too far ahead of its turn
    CAPPED = "capped"  # its job may take no other replica
    SPECULATION = "speculation"  # a copy of a lease that takes too long
    SOLO = "solo"  # it may be what kills replicas


@dataclass(frozen=True, slots=True, kw_only=True)
class Dispatch:
    """Send the segment to the replica; tries of a segment count from 1."""

    attempt: AttemptId
    replica: str
    job: str
    segment: int
    try_number: int
    purpose: Purpose


@dataclass(frozen=True, slots=True)
class Recall:
    """Take the attempt back if it has not begun; answer `Recalled`, or nothing if it was too late."""

    attempt: AttemptId
    replica: str


@dataclass(frozen=True, slots=True)
class Stop:
    """Ask the attempt to stop; answer `Stopped`, or whatever it came to."""

    attempt: AttemptId
    replica: str


@dataclass(frozen=True, slots=True)
class Kill:
    """End the replica at once: it hangs, or did not stop. The scheduler has counted it out already."""

    replica: str
    why: str


@dataclass(frozen=True, slots=True)
class Retire:
    """The drained replica is empty: end it."""

    replica: str


@dataclass(frozen=True, slots=True)
class Recycle:
    """The replica is empty: end it and start another, for a segment that must run alone on a fresh one."""

    replica: str


@dataclass(frozen=True, slots=True)
class Finish:
    """Every segment is settled: join and deliver the master; the waived segments are to be filled."""

    job: str
    waived: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class StopFinish:
    """Stop joining or delivering; answer `FinishStopped`, or whatever it came to."""

    job: str


FarmAction = Dispatch | Recall | Stop | Kill | Retire | Recycle | Finish | StopFinish


class RequestRefused(FarmError):
    """The request cannot be granted as things stand; nothing has changed."""

    exit_code = ExitCode.USAGE
    default_code = "refused"


def unknown_job(job: str) -> RequestRefused:
    """No such job."""
    return RequestRefused(
        "there is no such job", where=job, code="unknown_job", hint="list the jobs and check the name"
    )
