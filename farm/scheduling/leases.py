"""Leases: an attempt gets a segment and a slot, and gives them back; what was paid at the start is corrected."""

from __future__ import annotations

from collections.abc import Iterable

from farm.scheduling.job import Attempt, JobEntry
from farm.scheduling.messages import AttemptId, Dispatch, Purpose, Recall, Stop
from farm.scheduling.replicas import ReplicaEntry, ReplicaStatus
from farm.scheduling.state import FarmState
from farm.scheduling.transitions import move_attempt, move_job, move_segment
from jobs.lifecycle import AttemptEvent, AttemptState, JobEvent, JobState, SegmentEvent
from jobs.reasons import Reason, ReasonKind

WHY_LEASED = {
    Purpose.TURN: "its job is first in line",
    Purpose.WARM: "its subject is loaded there",
    Purpose.CAPPED: "its job holds that replica already",
    Purpose.SPECULATION: "the first lease takes too long",
    Purpose.SOLO: "a fresh replica is there for it alone",
}
"""What the transition of a segment that is leased says."""


def lease(farm: FarmState, job: JobEntry, segment: int, replica: ReplicaEntry, purpose: Purpose) -> None:
    """Give the segment to the replica and charge its estimate."""
    record = job.record(segment)
    record.tries += 1
    attempt = Attempt(
        id=AttemptId(farm.epoch, next(farm.numbers)),
        job=job.name,
        segment=segment,
        replica=replica.name,
        try_number=record.tries,
        purpose=purpose,
        estimate=farm.cost_of(job),
        dispatched_at=farm.now,
    )
    reason = Reason(ReasonKind.TURN, WHY_LEASED[purpose])
    if purpose is not Purpose.SPECULATION:
        move_segment(farm, job, segment, SegmentEvent.LEASED, reason)
        job.passed = 0
    if job.state is JobState.QUEUED:
        move_job(farm, job, JobEvent.STARTED, reason)
    farm.line.serve(job, attempt.estimate)
    _take_slot(farm, job, attempt, replica)
    record.leases[attempt.id] = attempt
    farm.actions.append(
        Dispatch(
            attempt=attempt.id,
            replica=replica.name,
            job=job.name,
            segment=segment,
            try_number=attempt.try_number,
            purpose=purpose,
        )
    )


def end_attempt(
    farm: FarmState, attempt: Attempt, event: AttemptEvent, reason: Reason, *, seconds: float | None = None
) -> None:
    """The attempt is over: its slot is free, and the job pays `seconds`, or gets everything back with None."""
    job = farm.jobs[attempt.job]
    drop_lease(farm, attempt)
    move_attempt(farm, attempt, event, reason)
    if seconds is None:
        farm.line.give_back(job, attempt.estimate)
    else:
        farm.line.charge(job, seconds - attempt.estimate)
    job.spent += seconds or 0.0
    del farm.attempts[attempt.id], job.attempts[attempt.id]
    _release(job.replicas, attempt.replica)
    studio = farm.studio_of(job)
    _release(studio.replicas, attempt.replica)
    farm.line.place_studio(job.request.studio, has_room=studio.has_room)
    farm.changed[job.name] = None
    replica = farm.pool[attempt.replica]
    del replica.attempts[attempt.id]
    replica.freed_at = farm.now
    if replica.attempts:
        last = next(reversed(replica.attempts.values()))
        replica.subject = farm.jobs[last.job].request.subject
    else:
        replica.is_alone = False
        replica.subject = replica.loaded
    farm.pool.file(replica)


def drop_lease(farm: FarmState, attempt: Attempt) -> bool:
    """The attempt no longer has its segment; True where no other attempt has it either."""
    record = farm.jobs[attempt.job].records.get(attempt.segment)
    attempt.holds_lease = False
    if record is None:
        return False
    return record.leases.pop(attempt.id, None) is not None and not record.leases


def ask_stop(farm: FarmState, attempt: Attempt, reason: Reason) -> None:
    """Take the lease away and ask the replica to stop."""
    drop_lease(farm, attempt)
    if attempt.state is not AttemptState.STOPPING:
        move_attempt(farm, attempt, AttemptEvent.STOP_ASKED, reason)
        attempt.stop = reason
        attempt.stop_at = farm.now
        farm.actions.append(Stop(attempt.id, attempt.replica))


def can_be_taken_back(farm: FarmState, attempt: Attempt) -> bool:
    """It shares its replica, has not begun, as far as was told, and was not asked back yet."""
    return (
        attempt.state is AttemptState.DISPATCHED
        and not attempt.recall_asked
        and attempt.purpose is not Purpose.SOLO
        and len(farm.pool[attempt.replica].attempts) > 1
    )


def ask_back(farm: FarmState, attempt: Attempt) -> bool:
    """Ask for an attempt that has not begun; False where it has, or was asked for already."""
    if attempt.state is not AttemptState.DISPATCHED or attempt.recall_asked:
        return False
    attempt.recall_asked = True
    attempt.recall_asked_at = farm.now
    farm.actions.append(Recall(attempt.id, attempt.replica))
    return True


def ask_all_back(farm: FarmState, attempts: Iterable[Attempt]) -> None:
    """Ask for those that have not begun."""
    for attempt in attempts:
        ask_back(farm, attempt)


def empty(farm: FarmState, replica: ReplicaEntry, status: ReplicaStatus) -> None:
    """It finishes what it runs and gets nothing more; what waits beside it goes elsewhere."""
    replica.status = status
    farm.pool.file(replica)
    ask_all_back(farm, replica.attempts.values())


def _take_slot(farm: FarmState, job: JobEntry, attempt: Attempt, replica: ReplicaEntry) -> None:
    studio = farm.studio_of(job)
    farm.attempts[attempt.id] = attempt
    job.attempts[attempt.id] = attempt
    job.replicas[replica.name] += 1
    studio.replicas[replica.name] += 1
    replica.attempts[attempt.id] = attempt
    replica.served += 1
    replica.subject = job.request.subject
    replica.is_alone = attempt.purpose is Purpose.SOLO
    farm.pool.file(replica)
    farm.line.place_studio(job.request.studio, has_room=studio.has_room)
    farm.changed[job.name] = None


def _release(replicas: dict[str, int], name: str) -> None:
    replicas[name] -= 1
    if not replicas[name]:
        del replicas[name]
