"""One try of one segment on one replica, from its dispatch to its end."""

from __future__ import annotations

from dataclasses import dataclass

from farm.scheduling.actions import Purpose
from farm.scheduling.events import AttemptId
from jobs.lifecycle import AttemptState
from jobs.reasons import Reason


@dataclass(slots=True, kw_only=True)
class Attempt:
    """What is known of a try.

    Attributes:
        holds_lease: Its segment is leased to it; an attempt that is stopping only holds its slot.
        estimate: Seconds that were charged at the dispatch.
        stop: Why it was asked to stop.
        recall_asked: It was asked back; it may have begun before the question arrived.
    """

    id: AttemptId
    job: str
    segment: int
    replica: str
    try_number: int
    purpose: Purpose
    estimate: float
    dispatched_at: float
    state: AttemptState = AttemptState.DISPATCHED
    holds_lease: bool = True
    started_at: float | None = None
    progressed_at: float = 0.0
    stop: Reason | None = None
    stop_at: float = 0.0
    recall_asked: bool = False
    recall_asked_at: float = 0.0

    @property
    def is_copy(self) -> bool:
        """A second lease of a segment, on purpose."""
        return self.purpose is Purpose.SPECULATION
