"""/jobs/JOB: one job, live: how far it is and why, each segment, its masters, and what can be done with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from anyio import to_thread
from fastapi import APIRouter, Request, Response
from fastapi.responses import FileResponse, HTMLResponse, RedirectResponse
from markupsafe import Markup

from farm.api import job_routes, master_routes, take_routes
from farm.api.context import ApiContext, Context
from farm.api.job_answers import JobAnswer
from farm.api.problems import BadRequest
from farm.api.studio_jobs import StudioJobs
from farm.ledger import LedgerJob
from farm.page.bars import Bar, bar_of_segments
from farm.page.frame import page_of, presence_shown
from farm.page.live import LivePart, live
from farm.page.refusals import is_fragment
from farm.page.segment_grid import SegmentGrid, cells_of, frames_of, grids_of
from farm.page.segment_history import history_of
from farm.page.sessions import Form, OwnForm, ReadingVisitor, Visitor, WritingVisitor
from farm.page.templates import filled
from farm.page.watch_panel import watch_panel
from farm.page.words import SEGMENT_WORDS, SegmentWords
from jobs.errors import InputNotFound
from jobs.kinds import RENDER_JOB
from jobs.lifecycle import JobEvent, JobState, SegmentState
from jobs.priority import Tier
from jobs.reasons import ReasonKind
from jobs.states import TRANSITIONS

router = APIRouter(prefix="/jobs/{job}")

_NO_SEGMENT: Final = Markup("")
_CHANGES: Final[Mapping[str, Any]] = {
    "pause": job_routes.pause,
    "cancel": job_routes.cancel,
    "retry": job_routes.retry,
}
_FRAME_CHANGES: Final[Mapping[str, Any]] = {"waive": job_routes.waive, "requeue": job_routes.requeue}
_WAIVABLE: Final = (SegmentState.BLOCKED, SegmentState.READY, SegmentState.SUSPECT, SegmentState.QUARANTINED)
_GIVEN_UP: Final = (SegmentState.QUARANTINED, SegmentState.FAILED)
_OPEN: Final = (JobState.QUEUED, JobState.RUNNING, JobState.HELD, JobState.PAUSE_REQUESTED, JobState.PAUSED)


@dataclass(frozen=True, slots=True, kw_only=True)
class JobActions:
    """What may be done with a job as it stands."""

    pause: bool = False
    resume: bool = False
    cancel: bool = False
    retry: bool = False

    @property
    def any(self) -> bool:
        """Whether there is anything."""
        return self.pause or self.resume or self.cancel or self.retry


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFacts:
    """What the job said of itself, defaults filled in.

    Attributes:
        profile: Empty where the subject decides.
        draft: Its pictures carry the word DRAFT.
        max_gpu_seconds: None where there is no limit.
    """

    subject: str
    seed: int
    profile: str
    draft: bool
    tier: str
    max_gpu_seconds: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownJob:
    """A job as its page shows it.

    Attributes:
        given_up: Segments that wait for a person, or with which it failed.
        legend: States that its segments are in, with how many are.
    """

    job: JobAnswer
    bar: Bar | None
    actions: JobActions
    grids: tuple[SegmentGrid, ...]
    given_up: tuple[int, ...]
    legend: tuple[tuple[SegmentWords, int], ...]


@router.get("")
async def job_page(job: str, context: Context, visitor: ReadingVisitor) -> Response:
    """One job."""
    now = await _look(job, context, visitor)
    return await page_of(context, visitor, "job.html", section="jobs", name=job, live=now.whole())


@router.get("/live")
async def live_job(job: str, context: Context, visitor: ReadingVisitor) -> Response:
    """The same as a stream."""
    await StudioJobs(context, visitor.key.studio).known(job)
    return live(context, visitor, lambda: _look(job, context, visitor))


@router.post("/change")
async def change_job(
    request: Request, job: str, context: Context, visitor: WritingVisitor, form: OwnForm
) -> Response:
    """Pause, resume, cancel or retry it, choose one of its takes, or change some of its segments."""
    wanted = form.text("change")
    asked = job_routes.Change(job, context, visitor.key, Response())
    if wanted == "choose":
        answer = await take_routes.choose(asked, _take_of(form))
    elif wanted == "resume":
        answer = await job_routes.resume(asked, _budget_of(form))
    elif wanted in _FRAME_CHANGES:
        answer = await _FRAME_CHANGES[wanted](asked, _frames_in(form))
    elif wanted in _CHANGES:
        answer = await _CHANGES[wanted](asked)
    else:
        raise BadRequest("is no change of a job", where="change", hint="load the page again")
    if not is_fragment(request):
        return RedirectResponse(f"/jobs/{job}", status_code=303)
    text = answer.text if answer.answered else f"No farm answers now; that you asked to {wanted} it is kept"
    return HTMLResponse(filled("notice.html", refusal=None, text=f"{job}: {text}.", details=[]))


@router.get("/segments/{first}-{last}")
async def some_segments(
    request: Request, job: str, first: int, last: int, context: Context, visitor: ReadingVisitor
) -> Response:
    """Segments for which one cell of a large grid stands."""
    found = await _planned(job, context, visitor)
    if not 0 <= first <= last < len(found.segments):
        raise _no_segment(last)
    cells = cells_of(found.segments[:], first=first, count=min(last - first + 1, 1000), each=1)
    shown = filled("some_segments.html", job=job, first=first, last=last, cells=cells)
    return await _with_segment(request, job, context, visitor, shown)


@router.get("/segments/{first}")
async def segment(
    request: Request, job: str, first: int, context: Context, visitor: ReadingVisitor
) -> Response:
    """One segment: every try of it, and why."""
    found = await _planned(job, context, visitor)
    if not 0 <= first < len(found.segments):
        raise _no_segment(first)
    history = await to_thread.run_sync(lambda: history_of(context.journal, found, first, files=context.files))
    state = found.segments[first]
    shown = filled(
        "segment.html",
        visitor=visitor,
        job=job,
        number=first,
        take=first // found.segments_per_take + 1 if found.takes > 1 else None,
        frames=frames_of(found, first),
        words=SEGMENT_WORDS[state],
        history=history,
        may_waive=found.state in _OPEN and state in _WAIVABLE,
        may_requeue=found.state in _OPEN and state in (SegmentState.QUARANTINED, SegmentState.WAIVED),
    )
    return await _with_segment(request, job, context, visitor, shown)


@router.get("/masters/{take}", response_class=FileResponse)
async def master(job: str, take: int, context: Context, visitor: ReadingVisitor) -> FileResponse:
    """The master of a take, for the player and to be kept."""
    return await master_routes.master(job, take, context, visitor.key)


@router.get("/masters/{take}/captions", response_class=Response)
async def captions(job: str, take: int, context: Context, visitor: ReadingVisitor) -> Response:
    """Its captions."""
    return await master_routes.captions(job, take, context, visitor.key)


@router.get("/takes/{take}/sheet", response_class=FileResponse)
async def sheet(job: str, take: int, context: Context, visitor: ReadingVisitor) -> FileResponse:
    """Moments of a take that can be chosen."""
    return await take_routes.sheet(job, take, context, visitor.key)


@router.get("/takes/{take}/playback", response_class=FileResponse)
async def playback(job: str, take: int, context: Context, visitor: ReadingVisitor) -> FileResponse:
    """A take that can be chosen, in lines and with the speech."""
    return await take_routes.playback(job, take, context, visitor.key)


@router.get("/masters/{take}/manifest")
async def manifest(job: str, take: int, context: Context, visitor: ReadingVisitor) -> dict[str, Any]:
    """Its manifest."""
    return await master_routes.manifest(job, take, context, visitor.key)


async def _look(
    job: str, context: ApiContext, visitor: Visitor, *, segment: Markup = _NO_SEGMENT
) -> LivePart:
    jobs = StudioJobs(context, visitor.key.studio)
    told = await jobs.one(job)
    known = context.followed.jobs.get(job)
    known = known if known is not None and known.studio == visitor.key.studio else None
    view = _view(told, known)
    shown = {
        "job-head": filled("job_head.html", view=view, job=told, visitor=visitor),
        "job-legend": filled("job_legend.html", view=view, job=told),
    }
    if told.kind != RENDER_JOB.name:
        shown["job-made"] = filled("job_made.html", job=told)
    shown |= {
        f"cell-{cell.first}": filled("cell.html", cell=cell, job=job, is_first=cell is grid.cells[0])
        for grid in view.grids
        for cell in grid.cells
    }
    if told.choice is not None and told.choice.takes:
        shown["job-takes"] = filled("takes.html", job=job, choice=told.choice, visitor=visitor)
    panel = watch_panel(told, known)
    if panel is not None:
        shown["watch-side"] = filled("watch_side.html", panel=panel, job=told)
    shown["job-facts"] = filled(
        "job_facts.html", job=told, facts=_facts(told), document=told.document, visitor=visitor
    )

    def whole() -> Markup:
        return filled("job_live.html", view=view, job=told, shown=shown, panel=panel, segment=segment)

    presence = await jobs.presence()
    return LivePart(
        whole=whole, elements=shown, outside={"presence": presence_shown(presence)}, news="segments"
    )


def _view(told: JobAnswer, known: LedgerJob | None) -> ShownJob:
    if known is None:
        return ShownJob(job=told, bar=None, actions=JobActions(), grids=(), given_up=(), legend=())
    states = known.segments[:] if any(known.segments.count(state) for state in _GIVEN_UP) else ()
    given_up = tuple(number for number, state in enumerate(states) if state in _GIVEN_UP)
    progress = told.progress
    counts = known.counts()
    return ShownJob(
        job=told,
        bar=None if known.is_whole or not progress else bar_of_segments(progress.states, progress.segments),
        actions=_actions(known, has_given_up=bool(given_up)),
        grids=grids_of(known),
        given_up=given_up,
        legend=tuple(
            (words, counts[state])
            for state, words in SEGMENT_WORDS.items()
            if state in counts and not known.is_whole
        ),
    )


def _facts(job: JobAnswer) -> JobFacts:
    spec = job.document["spec"] if job.document else {}
    scheduling, output = spec.get("scheduling", {}), spec.get("output", {})
    return JobFacts(
        subject=spec.get("subject", ""),
        seed=spec.get("seed", 0),
        profile=output.get("profile") or "",
        draft=job.draft,
        tier=scheduling.get("tier", Tier.NORMAL),
        max_gpu_seconds=scheduling.get("max_gpu_seconds"),
    )


def _actions(job: LedgerJob, *, has_given_up: bool) -> JobActions:
    """What the table of transitions has for its state; what changes nothing is not offered."""

    def is_possible(event: JobEvent) -> bool:
        after = TRANSITIONS.get((job.state, event))
        return after is not None and after.state is not job.state

    return JobActions(
        pause=is_possible(JobEvent.PAUSE_ASKED),
        # Where it waits for a choice, that is what goes on with it.
        resume=is_possible(JobEvent.RESUMED) and not (job.reason and job.reason.kind is ReasonKind.CHOICE),
        cancel=is_possible(JobEvent.CANCEL_ASKED),
        retry=job.state is JobState.FAILED or (has_given_up and not job.state.is_terminal),
    )


async def _planned(job: str, context: ApiContext, visitor: Visitor) -> LedgerJob:
    found = await StudioJobs(context, visitor.key.studio).known(job)
    if not isinstance(found, LedgerJob) or not found.is_planned:
        raise _no_segment(0)
    return found


async def _with_segment(
    request: Request, job: str, context: ApiContext, visitor: Visitor, shown: Markup
) -> Response:
    """The part alone for scripts, all of the page for whoever follows a link."""
    if is_fragment(request):
        return HTMLResponse(shown)
    now = await _look(job, context, visitor, segment=shown)
    return await page_of(context, visitor, "job.html", section="jobs", name=job, live=now.whole())


def _no_segment(number: int) -> InputNotFound:
    return InputNotFound(
        "the job has no such segment", where=f"segment {number}", code="unknown_segment", hint="go to the job"
    )


def _budget_of(form: Form) -> job_routes.ResumeBody | None:
    text = form.text("max_gpu_seconds")
    if not text:
        return None
    try:
        return job_routes.ResumeBody(max_gpu_seconds=float(text))
    except ValueError:
        raise BadRequest(
            "is no number of GPU seconds", where="max_gpu_seconds", hint="leave it empty, or write 3600"
        ) from None


def _take_of(form: Form) -> take_routes.ChooseBody:
    try:
        return take_routes.ChooseBody(take=int(form.text("take")))
    except ValueError:
        raise BadRequest("is no number of a take", where="take", hint="load the page again") from None


def _frames_in(form: Form) -> job_routes.FramesBody:
    try:
        return job_routes.FramesBody(
            first_frame=int(form.text("first_frame")), last_frame=int(form.text("last_frame"))
        )
    except ValueError:
        raise BadRequest("is no range of frames", where="first_frame", hint="load the page again") from None
