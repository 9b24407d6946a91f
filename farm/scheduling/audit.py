"""What must hold between any two events, checked from scratch: an empty list means that everything does.

Costs O(segments), so it is for simulations, tests and a look at a farm in doubt, not for every event of a large one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from farm.scheduling.audit_places import check_places
from farm.scheduling.job_entry import JobEntry
from farm.scheduling.state import FarmState
from jobs.lifecycle import JobState, SegmentState


def audit(farm: FarmState) -> list[str]:
    """Every violation, in words."""
    found: list[str] = []
    for job in farm.jobs.values():
        found += [f"{job.name}: {text}" for text in _check_job(farm, job)]
    found += check_places(farm)
    found += _check_studios(farm)
    found += _check_line(farm)
    return found


def _check_job(farm: FarmState, job: JobEntry) -> Iterator[str]:
    yield from _check_segments(job)
    yield from _check_leases(farm, job)
    holds_leases = any(attempt.holds_lease for attempt in job.attempts.values())
    if job.state in {JobState.PAUSED, JobState.CANCELLED, JobState.HELD, JobState.SUCCEEDED} and holds_leases:
        yield f"is {job.state.value} and holds leases"
    if job.state is JobState.PAUSED and job.attempts:
        yield "is paused and still runs"
    if job.state in {JobState.PAUSE_REQUESTED, JobState.CANCEL_REQUESTED} and not (
        job.attempts or job.finishing
    ):
        yield f"is stuck: {job.state.value}, and nothing of it runs"
    if job.is_dispatching and job.unsettled == 0:
        yield f"is {job.state.value} with every segment settled"
    if job.state in {JobState.STITCHING, JobState.DELIVERING, JobState.SUCCEEDED} and job.unsettled:
        yield f"is {job.state.value} with {job.unsettled} segments missing"
    headroom = None if job.state.is_terminal else job.headroom
    if farm.budgets.headroom(job.name) != headroom:
        yield f"has {headroom} seconds left; {farm.budgets.headroom(job.name)} are noted"
    limit = job.request.max_replicas
    if limit is not None and len(job.replicas) > limit:
        yield f"has {len(job.replicas)} replicas of {limit}"


def _check_segments(job: JobEntry) -> Iterator[str]:
    if +job.counts != Counter(job.states):
        yield f"counts {job.counts} are not those of its segments"
    if len(job.states) != job.request.segment_count:
        yield "has another number of segments than it came with"
    for segment, state in enumerate(job.states):
        if state is SegmentState.READY and segment not in job.line and segment not in job.delayed:
            yield f"segment {segment} is ready and lost: neither in line nor delayed"
        if (state is SegmentState.SUSPECT) != (segment in job.suspects):
            yield f"segment {segment} is {state.value}; the list of suspects says otherwise"
    if any(job.states[segment] is not SegmentState.READY for segment in job.delayed):
        yield "delays a segment that is not ready"


def _check_leases(farm: FarmState, job: JobEntry) -> Iterator[str]:
    holders: Counter[int] = Counter()
    for attempt in job.attempts.values():
        if attempt.state.is_terminal:
            yield f"attempt {attempt.id} is {attempt.state.value} and still on a replica"
        if attempt.holds_lease:
            holders[attempt.segment] += 1
            if attempt.id.epoch != farm.epoch:
                yield f"attempt {attempt.id} is of another epoch"
    for segment, state in enumerate(job.states):
        record = job.records.get(segment)
        leases = list(record.leases.values()) if record else []
        if holders[segment] != len(leases):
            yield f"segment {segment} has {len(leases)} leases and {holders[segment]} holders"
        if (state is SegmentState.LEASED) != bool(leases):
            yield f"segment {segment} is {state.value} with {len(leases)} leases"
        if len(leases) > 1:
            on_two = len({lease.replica for lease in leases}) == len(leases) == 2
            if not on_two or not any(lease.is_copy for lease in leases):
                yield f"segment {segment} is leased twice, and not as a copy on another replica"


def _check_studios(farm: FarmState) -> Iterator[str]:
    replicas: dict[str, Counter[str]] = {name: Counter() for name in farm.studios}
    queued: Counter[str] = Counter()
    for job in farm.jobs.values():
        queued[job.request.studio] += 0 if job.state.is_terminal else job.unsettled
        replicas[job.request.studio].update(attempt.replica for attempt in job.attempts.values())
    for name, studio in farm.studios.items():
        if studio.queued_segments != queued[name]:
            yield f"{name}: {studio.queued_segments} segments counted, {queued[name]} there"
        if studio.replicas != replicas[name]:
            yield f"{name}: replicas counted {studio.replicas}, held {replicas[name]}"
        limit = studio.terms.max_replicas
        if limit is not None and len(studio.replicas) > limit:
            yield f"{name}: has {len(studio.replicas)} replicas of {limit}"


def _check_line(farm: FarmState) -> Iterator[str]:
    """The queues hold exactly the jobs that may take a replica, and their first is the first of all."""
    eligible = []
    for job in farm.jobs.values():
        tier, studio = farm.line.tiers[job.request.tier], job.request.studio
        is_open, has_room = farm.is_open(job), farm.studio_of(job).has_room(job.request.tier)
        if is_open != (job.name in tier.jobs_of(studio)):
            yield f"{job.name}: may take a replica: {is_open}; the line says otherwise"
        if is_open and has_room != (studio in tier.studios):
            yield f"{studio}: has room: {has_room}; the line says otherwise"
        if is_open and has_room:
            eligible.append(job)
    name = farm.line.first()
    if (name is None) != (not eligible):
        yield f"{name} is first in line of {len(eligible)} that may be"
    elif name is not None:
        first = min(eligible, key=farm.line.turn)
        if first.name != name:
            yield f"{name} is first in line, and it is {first.name}'s turn"
