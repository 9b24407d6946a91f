"""/jobs: all jobs of the studio, live, and what can be done with several of them at once."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import Annotated, Final, Literal
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from markupsafe import Markup

from farm.api import job_routes
from farm.api.context import ApiContext, Context
from farm.api.job_answers import JobAnswer
from farm.api.job_list import JobFilter, JobOrder
from farm.api.problems import BadRequest
from farm.api.studio_jobs import StudioJobs
from farm.asking import number_of
from farm.page.bars import Bar, bar_of_counts, bar_of_segments
from farm.page.frame import page_of, presence_shown
from farm.page.live import LivePart, live
from farm.page.refusals import is_fragment
from farm.page.sessions import OwnForm, ReadingVisitor, WritingVisitor
from farm.page.templates import filled, plural
from farm.page.words import GROUP_NAMES, StateGroup, group_of, states_of
from jobs.errors import FarmError
from jobs.kinds import RENDER_JOB

router = APIRouter(prefix="/jobs")

_PAGE: Final = 50
_MOST_AT_ONCE: Final = 200
_ORDERS: Final = {
    JobOrder.NEWEST: "Newest first",
    JobOrder.OLDEST: "Oldest first",
    JobOrder.CHANGED: "Last changed first",
    JobOrder.NAME: "By name",
}
_CHANGES: Final = {
    "pause": job_routes.pause,
    "resume": job_routes.resume,
    "cancel": job_routes.cancel,
    "retry": job_routes.retry,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ListAddress:
    """What the address of a list says: everything one sees can be bookmarked.

    Attributes:
        group: Only jobs of this group of states.
        search: Only jobs with this in their name.
        cursor: Where the page of the list begins.
    """

    group: StateGroup | None = None
    project: str = ""
    search: str = ""
    order: JobOrder = JobOrder.NEWEST
    cursor: str = ""

    @property
    def is_filtered(self) -> bool:
        """Whether jobs may be left out."""
        return bool(self.group or self.project or self.search)

    @property
    def query(self) -> str:
        """As the end of an address."""
        given = {
            "group": self.group or "",
            "project": self.project,
            "search": self.search,
            "order": "" if self.order is JobOrder.NEWEST else self.order.value,
            "cursor": self.cursor,
        }
        said = urlencode({name: value for name, value in given.items() if value})
        return f"?{said}" if said else ""

    def of_group(self, group: StateGroup | None) -> str:
        """The address of the same list with another group."""
        return f"/jobs{replace(self, group=group, cursor='').query}"

    def in_order(self, order: str) -> str:
        """The address of the same list in another order."""
        return f"/jobs{replace(self, order=JobOrder(order), cursor='').query}"

    def wanted(self) -> JobFilter:
        """What to ask the API for."""
        return JobFilter(
            states=None if self.group is None else states_of(self.group),
            project=self.project or None,
            search=self.search or None,
            order=self.order,
        )


def _address(
    group: StateGroup | Literal[""] = "",
    project: Annotated[str, Query(max_length=63)] = "",
    search: Annotated[str, Query(max_length=100)] = "",
    order: JobOrder = JobOrder.NEWEST,
    cursor: Annotated[str, Query(max_length=200)] = "",
) -> ListAddress:
    return ListAddress(
        group=group or None, project=project.strip(), search=search.strip(), order=order, cursor=cursor
    )


AskedList = Annotated[ListAddress, Depends(_address)]


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRow:
    """A job in the list.

    Attributes:
        element: Its id in the page.
        bar: Its segments by state; None until it is planned.
    """

    element: str
    job: JobAnswer
    group: StateGroup
    bar: Bar | None


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupCount:
    """How many jobs are in a group of states, and where they are listed."""

    group: StateGroup
    name: str
    count: int
    address: str
    is_shown: bool


@router.get("")
async def job_list(context: Context, visitor: ReadingVisitor, address: AskedList) -> Response:
    """The jobs."""
    now = await _look(context, visitor, address)
    return await page_of(
        context,
        visitor,
        "jobs.html",
        section="jobs",
        live=now.whole(),
        address=address,
        orders=_ORDERS,
    )


@router.get("/live")
async def live_job_list(context: Context, visitor: ReadingVisitor, address: AskedList) -> Response:
    """The same as a stream."""
    return live(context, visitor, lambda: _look(context, visitor, address))


@router.post("/change")
async def change_jobs(request: Request, context: Context, visitor: WritingVisitor, form: OwnForm) -> Response:
    """Pause, resume, cancel or retry the jobs that are ticked."""
    names = list(dict.fromkeys(form.texts("job")))[:_MOST_AT_ONCE]
    if form.text("change") not in _CHANGES:
        raise BadRequest("is no change of a job", where="change", hint="load the page again")
    change = _CHANGES[form.text("change")]
    presence = await StudioJobs(context, visitor.key.studio).presence()
    if not presence.is_served:
        # Nobody answers: what is asked is kept, and a person need not wait for that.
        context = replace(context, limits=replace(context.limits, answer_s=0.0))

    async def refusal_of(name: str) -> str:
        try:
            await change(job_routes.Change(name, context, visitor.key, Response()))
        except FarmError as error:
            return f"{name}: {error.message}"
        return ""

    # All at once: each waits for the farm's answer.
    refusals = [told for told in await asyncio.gather(*map(refusal_of, names)) if told]
    if not is_fragment(request):
        return RedirectResponse("/jobs", status_code=303)
    done = len(names) - len(refusals)
    asked_for = f"{done} of {plural(len(names), 'ticked job')}: {form.text('change')} is asked for."
    text = asked_for if names else "No job is ticked."
    return HTMLResponse(filled("notice.html", refusal=None, text=text, details=refusals))


async def _look(context: ApiContext, visitor: ReadingVisitor, address: ListAddress) -> LivePart:
    jobs = StudioJobs(context, visitor.key.studio)
    found = await jobs.page(address.wanted(), limit=_PAGE, cursor=address.cursor or None)
    counts = await jobs.counts()
    rows = [_row(job) for job in found.jobs]
    shown = {
        "summary": filled(
            "job_summary.html",
            groups=_groups(counts, address),
            total=sum(counts.values()),
            bar=bar_of_counts(counts),
            address=address,
        )
    }
    shown |= {row.element: filled("job_row.html", row=row, job=row.job) for row in rows}

    def whole() -> Markup:
        return filled(
            "job_list.html",
            summary=shown["summary"],
            rows=[shown[row.element] for row in rows],
            address=address,
            has_jobs=bool(counts),
            next_page=found.next_cursor and f"/jobs{replace(address, cursor=found.next_cursor).query}",
            orders=_ORDERS,
            may_write=visitor.may("write"),
        )

    presence = await jobs.presence()
    return LivePart(whole=whole, elements=shown, outside={"presence": presence_shown(presence)})


def _groups(counts: dict[str, int], address: ListAddress) -> list[GroupCount]:
    return [
        GroupCount(
            group=group,
            name=name,
            count=sum(counts.get(state, 0) for state in states_of(group)),
            address=address.of_group(None if address.group is group else group),
            is_shown=address.group is group,
        )
        for group, name in GROUP_NAMES.items()
    ]


def _row(job: JobAnswer) -> JobRow:
    return JobRow(
        element=f"job-{number_of(job.job)}",
        job=job,
        group=group_of(job.state),
        bar=bar_of_segments(job.progress.states, job.progress.segments)
        if job.progress and job.kind == RENDER_JOB.name
        else None,
    )
