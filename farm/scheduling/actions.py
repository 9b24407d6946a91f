"""What the scheduler wants done, in the order it wants it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from farm.scheduling.events import AttemptId


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
