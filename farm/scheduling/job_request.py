"""A job, as whoever planned it hands it to the scheduler."""

from __future__ import annotations

from dataclasses import dataclass

from farm.scheduling.units import WHOLE_STAGES, Stage
from jobs.priority import OnQuarantine, Tier
from jobs.reasons import Reason
from jobs.scheduling_spec import LEAST_WEIGHT, MOST_WEIGHT
from jobs.spec import Profile


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRequest:
    """A planned job, as the scheduler needs to know it.

    Attributes:
        job: Its name, unique in the farm.
        stage: The pool that works for it: the renderers, or the pool of its kind for a job in one piece.
        subject: What a replica must have loaded to render it.
        segment_count: Its segments are numbered from 0; takes follow one another.
        weight: Its share among the studio's jobs in its tier.
        preview_first: So many segments, spread over the whole job, come before the others.
        max_replicas: Replicas that work for it at once.
        max_gpu_seconds: What it may spend; once it is spent, the job is held.
        max_failed_segments: With more segments given up than this, the job fails whatever `on_quarantine` says.
        hold: Why the job waits for `ResumeRequest` from the start; None where it does not.
        awaits_choice: One of several takes is rendered, and nobody has chosen it: it is held until `Chosen`.
        motion_merged: False where segments become ready only with `SegmentsReady`.
        committed: Segments that the store holds already.
        quarantined, waived: Segments that an earlier run of the farm left so.
        filled: Those of the waived ones that were given up before.
        spent: What the job spent in earlier runs, in GPU seconds.
    """

    job: str
    studio: str
    subject: str
    segment_count: int
    profile: Profile
    stage: Stage = Stage.RENDER
    tier: Tier = Tier.NORMAL
    weight: float = 1.0
    preview_first: int = 0
    max_replicas: int | None = None
    max_gpu_seconds: float | None = None
    on_quarantine: OnQuarantine = OnQuarantine.FAIL
    max_failed_segments: int | None = None
    hold: Reason | None = None
    awaits_choice: bool = False
    motion_merged: bool = True
    committed: frozenset[int] = frozenset()
    quarantined: frozenset[int] = frozenset()
    waived: frozenset[int] = frozenset()
    filled: frozenset[int] = frozenset()
    spent: float = 0.0

    @property
    def is_whole(self) -> bool:
        """It is done in one piece, which delivers what it makes; there is no master to join."""
        return self.stage in WHOLE_STAGES

    def __post_init__(self) -> None:
        if not LEAST_WEIGHT <= self.weight <= MOST_WEIGHT:
            raise ValueError(f"a weight is from {LEAST_WEIGHT:g} to {MOST_WEIGHT:g}")
        if self.max_replicas is not None and self.max_replicas < 1:
            raise ValueError("a limit is at least 1, or None")
        if self.segment_count < 1 or not 0 <= self.preview_first <= self.segment_count:
            raise ValueError("a job has at least one segment, and no more previews than segments")
        settled = self.committed | self.quarantined | self.waived
        if not all(0 <= index < self.segment_count for index in settled):
            raise ValueError("a settled segment is none of the job's")
        if len(settled) < len(self.committed) + len(self.quarantined) + len(self.waived):
            raise ValueError("a segment is settled in two ways")
        if not self.filled <= self.waived:
            raise ValueError("a segment that is filled is a waived one")
