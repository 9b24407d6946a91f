"""What must hold between any two events, checked from scratch: an empty list means that everything does.

Costs O(segments), so it is for simulations, tests and a look at a farm in doubt, not for every event of a large one.
Work left undone is counted from attempts and states alone: none of the parts that choose is asked.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from farm.scheduling.job import Attempt, JobEntry
from farm.scheduling.messages import Purpose
from farm.scheduling.replicas import ReplicaEntry, ReplicaStatus
from farm.scheduling.state import FarmState
from jobs.lifecycle import AttemptState, JobState, SegmentState


def audit(farm: FarmState) -> list[str]:
    """Every violation, in words."""
    found: list[str] = []
    for job in farm.jobs.values():
        found += [f"{job.name}: {text}" for text in _check_job(farm, job)]
    checks = (_check_attempts, _check_replicas, _check_suspects, _check_work, _check_studios, _check_line)
    for check in checks:
        found += check(farm)
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
    if job.awaits_choice and (job.is_dispatching or job.attempts):
        yield f"is {job.state.value}, and nobody has chosen what is rendered"
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


def _check_attempts(farm: FarmState) -> Iterator[str]:
    by_job = {number: attempt for job in farm.jobs.values() for number, attempt in job.attempts.items()}
    by_replica = {number: attempt for replica in farm.pool for number, attempt in replica.attempts.items()}
    if not farm.attempts == by_job == by_replica:
        yield f"{len(farm.attempts)} attempts; jobs hold {len(by_job)}, replicas {len(by_replica)}"
    for job in farm.jobs.values():
        held = Counter(attempt.replica for attempt in job.attempts.values())
        if job.replicas != held:
            yield f"{job.name}: replicas counted {job.replicas}, held {held}"


def _check_replicas(farm: FarmState) -> Iterator[str]:
    for replica in farm.pool:
        if len(replica.attempts) > farm.pool_rules.slots:
            yield f"{replica.name}: holds {len(replica.attempts)} of {farm.pool_rules.slots} segments"
        if replica.is_alone and len(replica.attempts) != 1:
            yield f"{replica.name}: a suspect is not alone"
        if not farm.pool.is_filed_right(replica):
            yield f"{replica.name}: is not found where it belongs"
        if replica.status in {ReplicaStatus.DRAINING, ReplicaStatus.RECYCLING} and not replica.attempts:
            yield f"{replica.name}: is empty and still {replica.status.value}"


def _check_suspects(farm: FarmState) -> Iterator[str]:
    if set(farm.suspects) != {job.name for job in farm.jobs.values() if job.suspects}:
        yield "the jobs with suspects are not those listed"


def _check_work(farm: FarmState) -> Iterator[str]:
    """Nothing idles while somebody waits for it."""
    serving = [replica for replica in farm.pool if replica.status is ReplicaStatus.SERVING]
    for replica in serving:
        has_room = len(replica.attempts) < farm.pool_rules.slots
        if has_room and not any(attempt.purpose is Purpose.SOLO for attempt in replica.attempts.values()):
            yield from _waits_for(farm, replica)
    idle = [replica for replica in serving if not replica.attempts]
    waiting = [job.name for job in farm.jobs.values() if _has_suspect_to_run(farm, job)]
    if waiting and any(replica.served == 0 for replica in idle):
        yield f"a fresh replica is there, and suspects of {waiting} wait"
    if idle:
        yield from _waits_behind(farm, idle[0])


def _waits_for(farm: FarmState, replica: ReplicaEntry) -> Iterator[str]:
    for job in farm.jobs.values():
        ready = {
            segment for segment, state in enumerate(job.states) if state is SegmentState.READY
        } - job.delayed.keys()
        if ready and _may_lease(farm, job) and _may_take(farm, job, replica.name):
            yield f"{replica.name} has room, and {job.name} waits"


def _waits_behind(farm: FarmState, idle: ReplicaEntry) -> Iterator[str]:
    """Nothing that could go to an idle replica waits behind another attempt, unless a recall is not answered yet."""
    waiting = [attempt for attempt in farm.attempts.values() if attempt.state is AttemptState.DISPATCHED]
    if any(attempt.recall_asked for attempt in waiting):
        return
    for attempt in waiting:
        job = farm.jobs[attempt.job]
        _, *others = farm.pool[attempt.replica].attempts.values()
        if (
            attempt in others
            and _may_lease(farm, job, instead_of=attempt)
            and _may_take(farm, job, idle.name, instead_of=attempt)
        ):
            yield f"{idle.name}: idles, and {job.name}/{attempt.segment} waits on {attempt.replica}"


def _has_suspect_to_run(farm: FarmState, job: JobEntry) -> bool:
    has_suspect = any(after <= farm.now for after in job.suspects.values())
    # Of a replica that nobody holds: the name is none that is taken.
    return has_suspect and _may_lease(farm, job) and _may_take(farm, job, "", alone=True)


def _may_lease(
    farm: FarmState, job: JobEntry, *, instead_of: Attempt | None = None, slack: float = -1e-6
) -> bool:
    if job.state not in {JobState.QUEUED, JobState.RUNNING}:
        return False
    leased = [
        other.estimate for other in job.attempts.values() if other.holds_lease and other is not instead_of
    ]
    limit = job.max_gpu_seconds
    # Adding in another order may differ in the last digits: only what clearly fits counts.
    return limit is None or job.spent + sum(leased) + farm.cost_of(job) < limit + slack


def _may_take(
    farm: FarmState, job: JobEntry, name: str, *, instead_of: Attempt | None = None, alone: bool = False
) -> bool:
    """The replica is one that the job and its studio hold, or may take.

    What need not run alone leaves one place to a suspect of its job, or of its studio and no less strict.
    """
    studio = job.request.studio
    others = [attempt for attempt in farm.attempts.values() if attempt is not instead_of]
    by_job = {attempt.replica for attempt in others if attempt.job == job.name}
    by_studio = {attempt.replica for attempt in others if farm.jobs[attempt.job].request.studio == studio}
    before = [] if alone else [other for other in farm.jobs.values() if _waits_alone(farm, other)]
    kept = job in before
    kept_by_studio = any(
        other.request.studio == studio and other.request.tier.rank <= job.request.tier.rank
        for other in before
    )
    limits = (
        (by_job, job.request.max_replicas, kept),
        (by_studio, farm.studios[studio].terms.max_replicas, kept_by_studio),
    )
    return all(limit is None or len(held | {name}) + kept <= limit for held, limit, kept in limits)


def _waits_alone(farm: FarmState, job: JobEntry) -> bool:
    return any(after <= farm.now for after in job.suspects.values()) and _may_lease(farm, job, slack=1e-6)
