"""What users ask: each request is granted at once, granted and carried out later, or refused with a reason."""

from __future__ import annotations

from collections.abc import Iterable

from farm.scheduling.answers import settle_segment
from farm.scheduling.failures import let_go, stop_attempts
from farm.scheduling.job import JobEntry, SegmentEntry, new_entry
from farm.scheduling.job_request import JobRequest
from farm.scheduling.leases import ask_all_back
from farm.scheduling.messages import (
    Chosen,
    Expire,
    Forget,
    RequestRefused,
    Requeue,
    Restore,
    StopFinish,
    Submit,
    UserEvent,
    Waive,
    unknown_job,
)
from farm.scheduling.state import FarmState, StudioEntry
from farm.scheduling.transitions import block_segment, move_job, move_segment
from jobs.farm_requests import CancelRequest, PauseRequest, ResumeRequest, RetryRequest
from jobs.lifecycle import JobEvent, JobState, SegmentEvent, SegmentState
from jobs.reasons import Reason, ReasonKind
from jobs.states import TRANSITIONS

_USER = Reason(ReasonKind.USER, "a user asked for it")
_RETRIED = (SegmentState.QUARANTINED, SegmentState.FAILED)
_REQUEUED = (*_RETRIED, SegmentState.SUSPECT, SegmentState.WAIVED)
_WAIVABLE = {
    SegmentState.BLOCKED,
    SegmentState.READY,
    SegmentState.LEASED,
    SegmentState.SUSPECT,
    SegmentState.QUARANTINED,
}
_RESTING = {JobState.HELD, JobState.PAUSED}
_OPEN = {JobState.QUEUED, JobState.RUNNING, JobState.HELD, JobState.PAUSE_REQUESTED, JobState.PAUSED}


def grant(farm: FarmState, event: UserEvent) -> None:
    """Carry out what a user asks.

    Raises:
        RequestRefused: The request cannot be granted; nothing has changed.
    """
    if isinstance(event, Submit):
        _submit(farm, event.request)
        return
    if isinstance(event, Restore):
        _restore(farm, event.request)
        return
    job = farm.jobs.get(event.job)
    if job is None:
        raise unknown_job(event.job)
    if isinstance(event, PauseRequest):
        _change(farm, job, JobEvent.PAUSE_ASKED)
        if job.request.is_whole:
            # It may run for hours; what it has done is on the disk, and a later try goes on from there.
            stop_attempts(farm, job, Reason(ReasonKind.USER, "its job is paused"))
        else:
            ask_all_back(farm, job.attempts.values())
    elif isinstance(event, ResumeRequest):
        _resume(farm, job, event)
    elif isinstance(event, CancelRequest):
        _cancel(farm, job)
    elif isinstance(event, RetryRequest):
        _retry(farm, job)
    elif isinstance(event, Requeue):
        _requeue(farm, job, event.segments)
    elif isinstance(event, Waive):
        _waive(farm, job, event.segments)
    elif isinstance(event, Chosen):
        _chosen(farm, job)
    elif isinstance(event, Expire):
        _change(farm, job, JobEvent.EXPIRED, Reason(ReasonKind.AGE, "nobody came back to it"))
    else:
        _forget(farm, job, event)


def requeued_of(job: JobEntry, segments: Iterable[int]) -> tuple[int, ...]:
    """Those of the segments that a requeue puts back in line, each once."""
    there = (segment for segment in dict.fromkeys(segments) if 0 <= segment < len(job.states))
    return tuple(segment for segment in there if job.states[segment] in _REQUEUED)


def _submit(farm: FarmState, request: JobRequest) -> None:
    _refuse_taken_name(farm, request.job)
    limit = farm.rules.terms(request.studio).max_queued_segments
    studio = farm.studios.get(request.studio)
    queued = studio.queued_segments if studio is not None else 0
    more = request.segment_count - len(request.committed) - len(request.waived)
    if limit is not None and queued + more > limit:
        raise RequestRefused(
            f"{request.studio} has {queued} of {limit} segments in the queue; this adds {more}",
            where=request.job,
            code="queue_full",
            hint="submit it again when some of them are done",
        )
    job = _take_in(farm, request)
    if job.hold is not None:
        move_job(farm, job, JobEvent.HELD, job.hold)
    else:
        move_job(farm, job, JobEvent.QUEUED, Reason(ReasonKind.PLAN, "it is planned"))


def _restore(farm: FarmState, request: JobRequest) -> None:
    _refuse_taken_name(farm, request.job)
    job = _take_in(farm, request)
    job.state = JobState.QUEUED if job.hold is None else JobState.HELD
    farm.changed[job.name] = None


def _take_in(farm: FarmState, request: JobRequest) -> JobEntry:
    studio = farm.studios.setdefault(request.studio, StudioEntry(farm.rules.terms(request.studio)))
    farm.jobs_seen += 1
    job = new_entry(request, number=farm.jobs_seen, patience=farm.new_patience())
    farm.jobs[job.name] = job
    studio.queued_segments += job.unsettled
    return job


def _refuse_taken_name(farm: FarmState, name: str) -> None:
    if name in farm.jobs:
        raise RequestRefused(
            "there is a job of that name", where=name, code="job_exists", hint="give it another name"
        )


def _resume(farm: FarmState, job: JobEntry, event: ResumeRequest) -> None:
    if event.max_gpu_seconds is not None and event.max_gpu_seconds < job.spent:
        raise RequestRefused(
            f"{job.spent:.1f} GPU seconds are spent already",
            where=job.name,
            code="budget_too_small",
            hint="give it more than that",
        )
    if job.state in _RESTING and 0 < job.unsettled == job.given_up:
        raise RequestRefused(
            f"all that is left of it, {job.given_up} segments, is in quarantine",
            where=job.name,
            code="in_quarantine",
            hint="retry the job, requeue or waive these segments, or cancel it",
        )
    if job.is_held_for_choice:
        raise RequestRefused(
            "it waits for somebody to choose the take that is rendered",
            where=job.name,
            code="choice_wanted",
            hint="choose one: farm choose JOB TAKE",
        )
    _change(farm, job, JobEvent.RESUMED)
    job.hold = None
    job.patience.got_on()
    if event.max_gpu_seconds is not None:
        job.max_gpu_seconds = event.max_gpu_seconds


def _chosen(farm: FarmState, job: JobEntry) -> None:
    if not job.awaits_choice:
        raise RequestRefused(
            "it waits for no choice",
            where=job.name,
            code="nothing_to_choose",
            hint="farm status tells its takes",
        )
    if job.state not in _OPEN:
        raise RequestRefused(
            f"it is {job.state.value}: no take can be chosen",
            where=job.name,
            code="not_open",
            hint="submit the job again",
        )
    if job.is_held_for_choice:
        _change(farm, job, JobEvent.RESUMED, Reason(ReasonKind.USER, "a user chose a take"))
        job.hold = None
    job.awaits_choice = False


def _cancel(farm: FarmState, job: JobEntry) -> None:
    is_first = job.state is not JobState.CANCEL_REQUESTED
    _change(farm, job, JobEvent.CANCEL_ASKED)
    if not is_first or job.state.is_terminal:
        return
    stop_attempts(farm, job, Reason(ReasonKind.USER, "its job was cancelled"))
    job.stop_at = farm.now
    if job.finishing:
        farm.actions.append(StopFinish(job.name))


def _retry(farm: FarmState, job: JobEntry) -> None:
    if job.state is JobState.HELD:
        _refuse_useless_retry(farm, job)
    elif job.state is JobState.FAILED:
        job.failed.clear()
    _change(farm, job, JobEvent.RETRIED)
    job.hold = job.failure = None
    job.patience.got_on()
    for segment, state in enumerate(job.states):
        if state in _RETRIED:
            _clear(farm, job, segment)


def _refuse_useless_retry(farm: FarmState, job: JobEntry) -> None:
    """A job that waits for something else than its quarantine would start against its will, or be held again."""
    if job.is_held_for_choice and not job.given_up:
        raise RequestRefused(
            "nothing of it was given up: it waits for somebody to choose a take",
            where=job.name,
            code="nothing_to_retry",
            hint="choose one: farm choose JOB TAKE",
        )
    if not job.given_up:
        raise RequestRefused(
            "nothing of it was given up",
            where=job.name,
            code="nothing_to_retry",
            hint="it is held for something else, which farm why tells; farm resume goes on with it",
        )
    if not job.can_pay(farm.cost_of(job)):
        raise RequestRefused(
            f"{job.spent:.1f} of {job.max_gpu_seconds:.1f} GPU seconds are spent: it would be held again",
            where=job.name,
            code="budget_too_small",
            hint="requeue what was given up, then resume the job with more: --max-gpu-seconds",
        )


def _requeue(farm: FarmState, job: JobEntry, segments: Iterable[int]) -> None:
    _refuse_unless_open(job, "requeued")
    given_up = requeued_of(job, segments)
    if not given_up:
        raise RequestRefused(
            "none of these segments was given up or waived",
            where=job.name,
            code="nothing_to_requeue",
            hint="what is committed stays as it is, and all else is in line already",
        )
    for segment in given_up:
        _clear(farm, job, segment)
    if job.state is JobState.HELD and job.hold and job.hold.kind is ReasonKind.POLICY:
        _change(farm, job, JobEvent.RETRIED)
        job.hold = None


def _waive(farm: FarmState, job: JobEntry, segments: Iterable[int]) -> None:
    _refuse_unless_open(job, "waived")
    wanted = dict.fromkeys(segments)
    for segment in wanted:
        if not 0 <= segment < len(job.states) or job.states[segment] not in _WAIVABLE:
            state = job.states[segment].value if 0 <= segment < len(job.states) else "not there"
            raise RequestRefused(
                f"segment {segment} is {state}", where=job.name, code="not_waivable", hint="name others"
            )
    for segment in wanted:
        settle_segment(farm, job, segment, _USER, waive=True)
    let_go(farm, job, _USER)


def _forget(farm: FarmState, job: JobEntry, event: Forget) -> None:
    if not job.state.is_terminal or job.attempts:
        raise RequestRefused(
            f"it is {job.state.value}", where=job.name, code="not_over", hint="wait for its end, or cancel it"
        )
    for names in (farm.suspects, farm.changed):
        names.pop(job.name, None)
    farm.budgets.drop(job.name)
    farm.line.forget(job)
    del farm.jobs[event.job]


def _clear(farm: FarmState, job: JobEntry, segment: int) -> None:
    """Back in line with a clean record; only the tries go on counting."""
    job.failed.discard(segment)
    job.records[segment] = SegmentEntry(tries=job.record(segment).tries)
    move_segment(farm, job, segment, SegmentEvent.RETRIED, _USER)
    if not job.request.motion_merged:
        # What it is made of may be gone, and may be there still: whoever keeps it says at once when it is.
        block_segment(farm, job, segment)


def _refuse_unless_open(job: JobEntry, what: str) -> None:
    if job.state not in _OPEN:
        hint = "retry it first" if job.state is JobState.FAILED else "nothing of it can change any more"
        raise RequestRefused(
            f"it is {job.state.value}: no segment can be {what}", where=job.name, code="not_open", hint=hint
        )


def _change(farm: FarmState, job: JobEntry, event: JobEvent, reason: Reason = _USER) -> None:
    if event is JobEvent.PAUSE_ASKED and job.is_held_for_choice:
        raise RequestRefused(
            "nothing of it is rendered while it waits for somebody to choose a take",
            where=job.name,
            code="wrong_state",
            hint="farm choose JOB TAKE goes on with it, farm cancel ends it",
        )
    if (job.state, event) not in TRANSITIONS:
        raise RequestRefused(
            f"it is {job.state.value}; '{event.value}' is not possible then",
            where=job.name,
            code="wrong_state",
            hint="farm status shows where it stands and why",
        )
    move_job(farm, job, event, reason)
