"""The only place where a job, a segment or an attempt changes its state: counted, explained and recorded."""

from __future__ import annotations

from farm.scheduling.job import Attempt, JobEntry
from farm.scheduling.state import FarmState, Moved
from jobs.lifecycle import AttemptEvent, JobEvent, SegmentEvent, SegmentState
from jobs.reasons import Reason, ReasonKind
from jobs.states import step

_SETTLED = frozenset({SegmentState.COMMITTED, SegmentState.WAIVED})


def move_job(farm: FarmState, job: JobEntry, event: JobEvent, reason: Reason) -> None:
    """Raises IllegalTransition where the table does not have it."""
    before = job.state
    job.state = step(before, event, reason)
    farm.studio_of(job).queued_segments += job.unsettled * (before.is_terminal - job.state.is_terminal)
    farm.changed[job.name] = None
    farm.record(
        Moved(at=farm.now, subject=job.name, before=before, event=event, after=job.state, reason=reason)
    )


def move_segment(
    farm: FarmState, job: JobEntry, segment: int, event: SegmentEvent, reason: Reason
) -> SegmentState:
    """Move it, keep every count, and put it in the line that its new state belongs to.

    Raises:
        IllegalTransition: The table does not have it.
    """
    before = job.states[segment]
    after = step(before, event, reason)
    if after is not before:
        job.states[segment] = after
        job.counts[before] -= 1
        job.counts[after] += 1
        if not job.state.is_terminal:
            farm.studio_of(job).queued_segments += (before in _SETTLED) - (after in _SETTLED)
        _line_up(farm, job, segment, after)
        farm.changed[job.name] = None
    subject = f"{job.name}/{segment}"
    farm.record(Moved(at=farm.now, subject=subject, before=before, event=event, after=after, reason=reason))
    return after


def put_back(
    farm: FarmState, job: JobEntry, segment: int, event: SegmentEvent, reason: Reason
) -> SegmentState:
    """A leased segment is nobody's again: it waits in line, or still alone once it is suspected."""
    if job.record(segment).suspicion >= farm.pool_rules.max_suspicion:
        event = SegmentEvent.SUSPECTED
    return move_segment(farm, job, segment, event, reason)


def block_segment(farm: FarmState, job: JobEntry, segment: int) -> None:
    """What the segment is made of was let go."""
    reason = Reason(ReasonKind.WORK, "its motion is made again")
    move_segment(farm, job, segment, SegmentEvent.MOTION_GONE, reason)


def unblock_segment(farm: FarmState, job: JobEntry, segment: int) -> None:
    """What the segment is made of is there: it waits in line, or alone where replicas died over it."""
    is_suspect = job.record(segment).suspicion >= farm.pool_rules.max_suspicion
    event = SegmentEvent.SUSPECTED if is_suspect else SegmentEvent.MOTION_MERGED
    move_segment(farm, job, segment, event, Reason(ReasonKind.WORK, "its motion is merged"))


def move_attempt(farm: FarmState, attempt: Attempt, event: AttemptEvent, reason: Reason) -> None:
    """Raises IllegalTransition where the table does not have it."""
    before = attempt.state
    attempt.state = step(before, event, reason)
    subject = f"{attempt.job}/{attempt.segment}#{attempt.try_number}"
    farm.record(
        Moved(at=farm.now, subject=subject, before=before, event=event, after=attempt.state, reason=reason)
    )


def _line_up(farm: FarmState, job: JobEntry, segment: int, state: SegmentState) -> None:
    job.delayed.pop(segment, None)
    if state is SegmentState.READY:
        job.line.put(segment)
    if state is SegmentState.SUSPECT:
        job.suspects[segment] = farm.now
        farm.suspects[job.name] = None
    elif segment in job.suspects:
        del job.suspects[segment]
        if not job.suspects:
            del farm.suspects[job.name]
    if state is SegmentState.COMMITTED:
        job.records.pop(segment, None)
