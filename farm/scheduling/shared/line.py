"""Who is next: strict tiers, fair shares between the studios of a tier, then between a studio's jobs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from farm.scheduling.shared.fair_queue import FairQueue
from farm.scheduling.shared.job_entry import JobEntry
from jobs.priority import Tier


@dataclass(slots=True)
class TierLine:
    """One tier: its studios, and each studio's jobs."""

    studios: FairQueue = field(default_factory=FairQueue)
    jobs: dict[str, FairQueue] = field(default_factory=dict)

    def jobs_of(self, studio: str) -> FairQueue:
        """The studio's queue."""
        if studio not in self.jobs:
            self.jobs[studio] = FairQueue()
        return self.jobs[studio]


class FairLine:
    """The jobs that may take another replica, in the order of their turns.

    A job is in its studio's queue while it wants a replica and may take one more; the studio is in the tier's queue
    while any of its jobs is, unless the studio has all the replicas it may have.
    """

    def __init__(self) -> None:
        self.tiers = {tier: TierLine() for tier in sorted(Tier, key=lambda tier: tier.rank)}
        self._by_subject: dict[tuple[Tier, str], dict[str, JobEntry]] = {}

    def place(self, job: JobEntry, *, is_open: bool, weight: float, studio_has_room: bool) -> None:
        """Put the job where it belongs now, and its studio with it."""
        request = job.request
        tier = self.tiers[request.tier]
        jobs = tier.jobs_of(request.studio)
        same_subject = self._by_subject.setdefault((request.tier, request.subject), {})
        jobs.know(job.name, weight=request.weight)
        tier.studios.know(request.studio, weight=weight)
        if is_open:
            jobs.join(job.name)
            same_subject[job.name] = job
        else:
            jobs.leave(job.name)
            same_subject.pop(job.name, None)
            if not same_subject:
                del self._by_subject[request.tier, request.subject]
        _place_studio(tier, request.studio, has_room=studio_has_room)

    def place_studio(self, studio: str, *, has_room: bool) -> None:
        """The studio reached its limit, or has room again: in every tier."""
        for tier in self.tiers.values():
            if studio in tier.jobs:
                _place_studio(tier, studio, has_room=has_room)

    def forget(self, job: JobEntry) -> None:
        """Drop a job that has ended."""
        self.tiers[job.request.tier].jobs_of(job.request.studio).forget(job.name)

    def first(self) -> str | None:
        """The job whose turn it is."""
        for tier in self.tiers.values():
            studio = tier.studios.first()
            if studio is not None:
                return tier.jobs[studio].first()
        return None

    def first_of(self, tier: Tier, studio: str) -> str | None:
        """The job of one studio whose turn it is, whether or not the studio has room."""
        return self.tiers[tier].jobs_of(studio).first()

    def warm(
        self, tier: Tier, subject: str | None, *, at_most: float, cost_of: Callable[[JobEntry], float]
    ) -> tuple[JobEntry, float] | None:
        """The job of the tier with that subject that is least ahead of its turn, and by how many segments.

        Args:
            tier: That of the job whose turn it is.
            subject: What the replica has loaded.
            at_most: Segments that it may be ahead.
            cost_of: Seconds that a segment of a job is expected to take.
        """
        best: tuple[float, int, JobEntry] | None = None
        same_subject = self._by_subject.get((tier, subject), {}) if subject is not None else {}
        for job in same_subject.values():
            if job.request.studio not in self.tiers[tier].studios:
                continue
            lead = self.lead(job, cost=cost_of(job))
            if lead <= at_most and (best is None or (lead, job.number) < best[:2]):
                best = lead, job.number, job
        return (best[2], best[0]) if best else None

    def lead(self, job: JobEntry, *, cost: float) -> float:
        """Segments by which the job is ahead of its turn: its own among its studio's, or its studio's in the tier."""
        tier = self.tiers[job.request.tier]
        studio = job.request.studio
        return max(tier.studios.lead(studio), tier.jobs_of(studio).lead(job.name)) / cost

    def serve(self, job: JobEntry, cost: float) -> None:
        """A segment of the job starts: its studio and the job pay."""
        tier = self.tiers[job.request.tier]
        tier.studios.serve(job.request.studio, cost)
        tier.jobs_of(job.request.studio).serve(job.name, cost)

    def charge(self, job: JobEntry, cost: float) -> None:
        """Correct what was paid."""
        tier = self.tiers[job.request.tier]
        tier.studios.charge(job.request.studio, cost)
        tier.jobs_of(job.request.studio).charge(job.name, cost)

    def turn(self, job: JobEntry) -> tuple[int, float, float, int]:
        """Sorts jobs by whose turn comes first."""
        tier = self.tiers[job.request.tier]
        return (
            job.request.tier.rank,
            tier.studios.virtual_time(job.request.studio),
            tier.jobs_of(job.request.studio).virtual_time(job.name),
            job.number,
        )


def _place_studio(tier: TierLine, studio: str, *, has_room: bool) -> None:
    if has_room and len(tier.jobs[studio]):
        tier.studios.join(studio)
    else:
        tier.studios.leave(studio)
