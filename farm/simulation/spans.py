"""What every replica did when: the raw material of figures and of the picture."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class SpanEnd(StrEnum):
    """What a try came to."""

    COMMITTED = "committed"
    REPEATED = "repeated"  # another try had committed the segment before
    FAILED = "failed"
    LOST = "lost"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True, kw_only=True)
class BusySpan:
    """One try on one replica, with the load of its subject before it where there was one."""

    replica: str
    job: str
    studio: str
    segment: int
    start: float
    stop: float
    loading: float
    end: SpanEnd
