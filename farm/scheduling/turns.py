"""Who is next: strict tiers, fair shares between the studios of a tier, then between a studio's jobs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from farm.scheduling.fair_queue import FairQueue, Key
from farm.scheduling.job import JobEntry
from jobs.lifecycle import JobState
from jobs.priority import Tier

Turn = tuple[int, Key, Key]
"""The tier's rank, the studio's place in the tier, and the job's in the studio."""


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

    def place_studio(self, studio: str, *, has_room: Callable[[Tier], bool]) -> None:
        """The studio reached its limit, or has room again, in some of the tiers."""
        for name, tier in self.tiers.items():
            if studio in tier.jobs:
                _place_studio(tier, studio, has_room=has_room(name))

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
    ) -> JobEntry | None:
        """The job of the tier with that subject that is least ahead of its turn.

        Of a job's segments the first comes in its turn: newcomers are hardly ahead, and if each of them might go before
        whoever is first, a stream of them would do so for ever.

        Args:
            tier: That of the job whose turn it is.
            subject: What the replica has loaded.
            at_most: Segments that it may be ahead.
            cost_of: Seconds that a segment of a job is expected to take.
        """
        best: tuple[float, int, JobEntry] | None = None
        same_subject = self._by_subject.get((tier, subject), {}) if subject is not None else {}
        for job in same_subject.values():
            if job.state is JobState.QUEUED or job.request.studio not in self.tiers[tier].studios:
                continue
            lead = self.lead(job, cost=cost_of(job))
            if lead <= at_most and (best is None or (lead, job.number) < best[:2]):
                best = lead, job.number, job
        return best[2] if best else None

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

    def give_back(self, job: JobEntry, cost: float) -> None:
        """A segment that was charged so did not run, or nobody is charged with it."""
        tier = self.tiers[job.request.tier]
        tier.studios.give_back(job.request.studio, cost)
        tier.jobs_of(job.request.studio).give_back(job.name, cost)

    def charge_studio(self, studio: str, cost: float) -> None:
        """Another pool served the studio: it pays here as well, in each tier where others wait meanwhile."""
        for tier in self.tiers.values():
            if tier.studios.has_others(studio):
                tier.studios.charge(studio, cost)

    def turn(self, job: JobEntry) -> Turn:
        """Sorts jobs by whose turn comes first."""
        tier, studio = self.tiers[job.request.tier], job.request.studio
        return job.request.tier.rank, tier.studios.key(studio), tier.jobs_of(studio).key(job.name)

    def would_yield(self, holder: JobEntry, job: JobEntry, *, cost: float) -> bool:
        """Once a segment of that cost is taken back from the holder, the other job is the first of the two."""
        if holder.request.tier is not job.request.tier:
            return holder.request.tier.rank > job.request.tier.rank
        tier, studio = self.tiers[job.request.tier], job.request.studio
        if holder.request.studio == studio:
            jobs = tier.jobs_of(studio)
            return jobs.key(holder.name, less=cost) > jobs.key(job.name)
        return tier.studios.key(holder.request.studio, less=cost) > tier.studios.key(studio)


def _place_studio(tier: TierLine, studio: str, *, has_room: bool) -> None:
    if has_room and len(tier.jobs[studio]):
        tier.studios.join(studio)
    else:
        tier.studios.leave(studio)
