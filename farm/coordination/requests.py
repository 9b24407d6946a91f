"""What users ask: each request is granted or refused, and the answer is durable together with what it led to."""

from __future__ import annotations

import math
from dataclasses import replace

from farm.asking import future_name
from farm.coordination.choosing import choose, choose_ended
from farm.coordination.endings import follow_up
from farm.coordination.new_jobs import cancel_planning, note_account, parse_document, receive
from farm.coordination.recovery import cancel_return, retry
from farm.coordination.standing import standing
from farm.coordination.state import CoordinatorState
from farm.coordination.unforeseen import FarmCannotGoOn, ends_alone, give_up, keep, unforeseen
from farm.crashes import caught
from farm.scheduling.job import JobEntry
from farm.scheduling.messages import RequestRefused, Requeue, Waive, unknown_job
from infra.journal.base import Asked
from jobs.errors import FarmError, JournalError
from jobs.farm_requests import (
    AnyRequest,
    CancelRequest,
    ChooseRequest,
    PauseRequest,
    RequestAnswer,
    RequeueRequest,
    ResumeRequest,
    RetryRequest,
    SubmitRequest,
    WaiveRequest,
    WhyRequest,
    request_from_json,
)
from jobs.lifecycle import JobState, SegmentState
from jobs.locations import is_slug

_SETTLED = frozenset({SegmentState.COMMITTED, SegmentState.WAIVED})
_RESTING = frozenset({JobState.HELD, JobState.PAUSED})


def answer_requests(farm: CoordinatorState, asked: list[Asked] | tuple[Asked, ...]) -> bool:
    """Grant or refuse what waits; True where anything did.

    What is asked of a job that is still being planned waits until it is, but for why it waits and its end.
    """
    is_any = False
    for each in asked:
        with caught() as mishap:
            is_any |= _answer(farm, each)
            # The next request, and what replicas say, find everything as this one left it.
            follow_up(farm)
        if mishap.error is not None:
            is_any = True
            _answer_in_spite(farm, each, mishap.error)
    return is_any


def _answer(farm: CoordinatorState, asked: Asked) -> bool:
    """Grant or refuse a request; False where it waits, or is none."""
    try:
        request = request_from_json(asked.body)
    except ValueError as error:
        farm.writer.answer(asked.request, _refused(_not_a_request(error)))
        return False
    if not isinstance(request, (SubmitRequest, WhyRequest, CancelRequest)) and _is_being_planned(
        farm, request.job
    ):
        return False
    try:
        answer = _grant(farm, request, number=asked.request)
    except (JournalError, FarmCannotGoOn):
        raise
    except FarmError as refusal:
        answer = _refused(refusal)
        # Whoever asked may be gone.
        farm.watcher.note("", f"{request.kind} is refused: {refusal.line()}")
    farm.writer.answer(asked.request, answer)
    return True


def _answer_in_spite(farm: CoordinatorState, asked: Asked, error: Exception) -> None:
    """A request over which the farm itself failed is refused, or every later run would fail over it as well.

    The job that it was about ends: what was done of the request, and what not, is not known.

    Raises:
        JournalError: It is one.
        FarmCannotGoOn: See `give_up`.
    """
    name = _concerned(asked)
    internal = unforeseen(error, where=name or f"request {asked.request}")
    keep(farm, name or "request", internal)
    if not farm.writer.has_answered(asked.request):
        farm.writer.answer(asked.request, _refused(internal))
    if name:
        give_up(farm, name, internal)
        with ends_alone(farm, name):
            follow_up(farm)


def _concerned(asked: Asked) -> str:
    """The job that a request may have changed; empty where there is none."""
    name = ""
    with caught():
        request = request_from_json(asked.body)
        if isinstance(request, SubmitRequest):
            name = future_name(request, asked.request)
        elif not isinstance(request, WhyRequest):
            name = request.job
    return name


def _is_being_planned(farm: CoordinatorState, name: str) -> bool:
    job = farm.planning.get(name)
    return name in farm.restoring or (job is not None and not job.is_cancelled)


def _grant(farm: CoordinatorState, request: AnyRequest, *, number: int) -> RequestAnswer:
    if isinstance(request, SubmitRequest):
        return _submit(farm, request, number=number)
    name = request.job
    if name in farm.restoring and isinstance(request, CancelRequest):
        cancel_return(farm, name)
        return RequestAnswer(job=name, text="it is cancelled")
    line = farm.writer.ledger.jobs.get(name)
    if line is None and name not in farm.planning:
        raise unknown_job(name)
    if isinstance(request, WhyRequest):
        return RequestAnswer(job=name, text=standing(farm, name).sentence)
    if name in farm.planning:
        _cancel_planning(farm, request)
        return RequestAnswer(job=name, text="it is cancelled")
    if name in farm.scheduler.jobs:
        return _change(farm, request)
    assert line is not None
    if isinstance(request, ChooseRequest):
        return choose_ended(line, request)
    if isinstance(request, RetryRequest) and line.state is JobState.FAILED and line.is_planned:
        loaded = parse_document(line.document, folder=line.folder, where=name, overwrite=line.overwrite)
        retry(farm, line, loaded)
        return RequestAnswer(job=name, text="what failed is tried again")
    raise RequestRefused(
        f"it is {line.state.value}", where=name, code="wrong_state", hint="submit the job again"
    )


def _submit(farm: CoordinatorState, request: SubmitRequest, *, number: int) -> RequestAnswer:
    name = future_name(request, number)
    if not is_slug(request.studio):
        # It is part of every key of the job.
        raise RequestRefused(
            f"'{request.studio[:80]}' is no name of a studio",
            where=name,
            code="bad_studio",
            hint="1 to 63 letters, digits, '.', '_' or '-', as in north",
        )
    receive(
        farm,
        name,
        document=request.document,
        folder=request.folder,
        studio=request.studio,
        on_hold=request.on_hold,
        overwrite=request.overwrite,
    )
    return RequestAnswer(job=name, text="it is taken in")


def _cancel_planning(farm: CoordinatorState, request: AnyRequest) -> None:
    """Of a job that is being planned, all that anybody can ask for is its end; twice is once."""
    assert not isinstance(request, SubmitRequest)
    is_cancelled = farm.planning[request.job].is_cancelled
    if not isinstance(request, CancelRequest):
        raise RequestRefused(
            "it is cancelled", where=request.job, code="wrong_state", hint="submit the job again"
        )
    if not is_cancelled:
        cancel_planning(farm, request.job)


def _change(farm: CoordinatorState, request: AnyRequest) -> RequestAnswer:
    assert not isinstance(request, (SubmitRequest, WhyRequest))
    name = request.job
    whole = farm.whole.get(name)
    if whole is not None and isinstance(request, (ChooseRequest, WaiveRequest, RequeueRequest)):
        raise RequestRefused(
            f"it is a {whole.loaded.job.kind}, which has no takes and no frames",
            where=name,
            code="other_kind",
            hint="it can be paused, resumed, cancelled and retried",
        )
    if isinstance(request, ChooseRequest):
        return choose(farm, request)
    if isinstance(request, PauseRequest):
        farm.tell(request)
        told = "segments that run finish, no other starts"
        return RequestAnswer(job=name, text=told if whole is None else "it stops, and can go on from there")
    if isinstance(request, ResumeRequest):
        entry = farm.scheduler.jobs[name]
        _refuse_too_small(entry, request, estimate=farm.scheduler.cost_of(name))
        farm.tell(request)
        note_account(farm, name)
        return RequestAnswer(job=name, text=_resumed(entry, request))
    if isinstance(request, CancelRequest):
        farm.tell(request)
        return RequestAnswer(job=name, text="what runs of it is stopped")
    if isinstance(request, RetryRequest):
        entry = farm.scheduler.jobs[name]
        count = entry.given_up
        if entry.state is JobState.FAILED:
            # Its places were free since it failed.
            farm.places.add(name, (whole or farm.runs[name]).places)
        farm.tell(request)
        tried = "it is tried again" if whole else f"{count} segments that were given up are tried again"
        return RequestAnswer(
            job=name, text=tried if count else "nothing of it was given up; it stays as it is"
        )
    return _change_segments(farm, request)


def _change_segments(farm: CoordinatorState, request: WaiveRequest | RequeueRequest) -> RequestAnswer:
    name, run = request.job, farm.runs[request.job]
    segments = run.numbers_of_frames(request.first_frame, request.stop_frame)
    if not segments:
        raise RequestRefused(
            f"it has no frame from {request.first_frame} up to {request.stop_frame}",
            where=name,
            code="no_such_frames",
            hint=f"its frames are 0 to {run.plan.frame_count - 1}",
        )
    if isinstance(request, WaiveRequest):
        # Of several takes one may have the segment: what is settled needs nobody's leave.
        states = farm.scheduler.jobs[name].states
        wanted = tuple(number for number in segments if states[number] not in _SETTLED)
        if not wanted:
            raise RequestRefused(
                "every segment with these frames is committed or waived already",
                where=name,
                code="not_waivable",
                hint="farm status tells what is in quarantine",
            )
        farm.tell(Waive(name, wanted))
        return RequestAnswer(job=name, text=f"the master does without {len(wanted)} segments")
    count = len(farm.scheduler.requeued_of(name, segments))
    farm.tell(Requeue(name, segments))
    return RequestAnswer(job=name, text=f"{count} of {len(segments)} segments are back in line")


def _refuse_too_small(entry: JobEntry, request: ResumeRequest, *, estimate: float) -> None:
    """A job that waits for a larger budget would wait again at once: whoever resumes it is told how much it needs."""
    if entry.state not in _RESTING or entry.unsettled == entry.given_up:
        return
    if request.max_gpu_seconds is not None:
        entry = replace(entry, max_gpu_seconds=request.max_gpu_seconds)
    if entry.can_pay(estimate):
        return
    least = math.ceil(entry.spent + estimate)
    raise RequestRefused(
        f"{entry.spent:.1f} of {entry.max_gpu_seconds:.1f} GPU seconds are spent, "
        f"and its next segment is expected to take {estimate:.1f}",
        where=entry.name,
        code="budget_too_small",
        hint=f"give it more: --max-gpu-seconds {least} is enough for one segment",
    )


def _resumed(entry: JobEntry, request: ResumeRequest) -> str:
    if request.max_gpu_seconds is None:
        return "it goes on"
    return f"it may spend {entry.max_gpu_seconds:.1f} GPU seconds, of which {entry.spent:.1f} are spent"


def _refused(error: FarmError) -> RequestAnswer:
    return RequestAnswer(job=error.where, error=error.as_record())


def _not_a_request(error: ValueError) -> RequestRefused:
    return RequestRefused(
        f"is no request of this version: {str(error).splitlines()[0]}",
        code="bad_request",
        hint="use the farm's own commands of the same version",
    )
