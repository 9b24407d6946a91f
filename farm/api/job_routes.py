"""/v1/jobs: hand jobs in, look at them, change them."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from typing import Annotated, Any, Final

from anyio import to_thread
from fastapi import APIRouter, Depends, Header, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from farm.api.access import Reader, Writer
from farm.api.context import ApiContext, Context
from farm.api.job_answers import STATES, JobAnswer, JobPage, WhyAnswer
from farm.api.job_list import JobFilter, JobOrder
from farm.api.problems import BadRequest, documented
from farm.api.studio_jobs import StudioJobs
from farm.asking import future_name
from jobs.farm_requests import (
    AnyRequest,
    CancelRequest,
    PauseRequest,
    RequeueRequest,
    ResumeRequest,
    RetryRequest,
    SubmitRequest,
    WaiveRequest,
)
from jobs.scheduling_spec import GpuSeconds
from jobs.spec import RenderJob

router = APIRouter(prefix="/v1/jobs", tags=["jobs"])

_EXAMPLE: Final = {
    "apiVersion": "farm/v1",
    "kind": "RenderJob",
    "metadata": {"name": "hello", "project": "demo"},
    "spec": {
        "speech": "upload:2cf24dba5fb0a30e26e83b2ac5b9e29e",
        "subject": "builtin:actor-a",
        "seed": 7,
        "output": {"profile": "preview"},
    },
}
_JOB_BODY: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "description": "The job as its file holds it; speech is an upload, subject a builtin one, no output.uri.",
        "content": {
            "application/json": {
                "schema": RenderJob.model_json_schema(ref_template="#/components/schemas/{model}"),
                "example": _EXAMPLE,
            },
            "application/yaml": {"schema": {"type": "string"}},
        },
    }
}

IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=200,
        pattern=r"^[\x21-\x7e]+$",
        description="The same key with the same request is one request, for ever; with another it is refused.",
    ),
]
StateFilter = Annotated[
    str | None, Query(json_schema_extra={"enum": list(STATES)}, pattern=f"^({'|'.join(STATES)})$")
]


class AskedAnswer(BaseModel):
    """What came of a request.

    Attributes:
        answered: False where no farm answered in time: the request is kept, and carried out later.
        request: Its number.
    """

    job: str
    answered: bool
    text: str
    request: int


class ResumeBody(BaseModel):
    """How a job goes on; with a larger budget where its old one is spent."""

    model_config = ConfigDict(extra="forbid")

    max_gpu_seconds: GpuSeconds | None = None


class FramesBody(BaseModel):
    """Frames, counted from 0; both of them are meant, and every segment that has one of those between."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"example": {"first_frame": 100, "last_frame": 149}}
    )

    first_frame: Annotated[int, Field(ge=0, le=999_999_999)]
    last_frame: Annotated[int, Field(ge=0, le=999_999_999)]

    def span(self) -> tuple[int, int]:
        """The first frame, and the one after the last.

        Raises:
            BadRequest: There is none between them.
        """
        if self.last_frame < self.first_frame:
            raise BadRequest(
                "the range holds no frame", where="last_frame", hint="it is one of those that are meant"
            )
        return self.first_frame, self.last_frame + 1


@router.post(
    "",
    status_code=201,
    responses=documented(409, 415)
    | {202: {"model": JobAnswer, "description": "Kept; no farm has taken it in yet"}},
    openapi_extra=_JOB_BODY,
)
async def create_job(
    request: Request,
    response: Response,
    context: Context,
    key: Writer,
    idempotency_key: IdempotencyKey = None,
    hold: Annotated[bool, Query(description="It waits for a resume.")] = False,
) -> JobAnswer:
    """Hand in a render job."""
    is_yaml = _is_yaml(request)
    text = _text_of(await request.body())
    token = job_token(key.studio, idempotency_key)
    job, is_answered = await submit_job(
        context, key.studio, text, json_only=not is_yaml, token=token, hold=hold
    )
    response.headers["Location"] = f"/v1/jobs/{job.job}"
    response.status_code = 201 if is_answered else 202
    return job


async def submit_job(
    context: ApiContext, studio: str, text: str, *, json_only: bool, token: str, hold: bool
) -> tuple[JobAnswer, bool]:
    """Hand in the job of a text.

    Args:
        context: The process that answers.
        studio: Whose job it is.
        text: The job, JSON or YAML.
        json_only: It cannot be YAML.
        token: Names the request in the journal, see `job_token`.
        hold: It waits for a resume.

    Returns:
        The job, and whether a farm answered; otherwise the request is kept.

    Raises:
        SpecError: With every mistake in it.
        FarmError: The farm refuses it, or the journal cannot be used.
    """
    # In a thread: to read what somebody made large on purpose takes seconds.
    document = await to_thread.run_sync(
        lambda: context.files.document_for_farm(
            text,
            json_only=json_only,
            studio=studio,
            place=hashlib.sha256(token.encode()).hexdigest()[:24],
        )
    )
    submit = SubmitRequest(
        document=document, folder=str(context.files.folder(studio)), studio=studio, on_hold=hold
    )
    jobs = StudioJobs(context, studio)
    number, answer = await jobs.ask(submit, token=token)
    return await jobs.one(future_name(submit, number)), answer is not None


@router.get("", responses=documented())
async def list_jobs(
    context: Context,
    key: Reader,
    state: StateFilter = None,
    name: Annotated[str | None, Query(max_length=63)] = None,
    project: Annotated[str | None, Query(max_length=63)] = None,
    search: Annotated[str | None, Query(max_length=100, description="Part of the job's name.")] = None,
    order: Annotated[JobOrder, Query(description="What the list begins with.")] = JobOrder.NEWEST,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    cursor: Annotated[str | None, Query(max_length=200)] = None,
) -> JobPage:
    """The studio's jobs, the newest first where nothing else is asked for."""
    states = None if state is None else frozenset({state})
    wanted = JobFilter(states=states, name=name, project=project, search=search, order=order)
    return await StudioJobs(context, key.studio).page(wanted, limit=limit, cursor=cursor)


@router.get("/{job}", responses=documented(404))
async def get_job(job: str, context: Context, key: Reader) -> JobAnswer:
    """One job: where it stands and why, how far it is, its masters."""
    return await StudioJobs(context, key.studio).one(job)


@router.get("/{job}/why", responses=documented(404))
async def why(job: str, context: Context, key: Reader) -> WhyAnswer:
    """Why nothing, or nothing more, of the job runs."""
    found = await StudioJobs(context, key.studio).one(job)
    return found.why or WhyAnswer(code="over", sentence=f"It is {found.state}.")


CHANGED: Final = documented(404, 409) | {
    202: {"model": AskedAnswer, "description": "Kept; no farm has answered yet"}
}


@dataclass(frozen=True, slots=True)
class Change:
    """A change that is asked of a job, from whom, and where the status of the answer goes."""

    job: str
    context: Context
    key: Writer
    response: Response
    idempotency_key: IdempotencyKey = None


AskedChange = Annotated[Change, Depends()]


@router.post("/{job}/pause", responses=CHANGED)
async def pause(change: AskedChange) -> AskedAnswer:
    """Start no other segment of a job; those that run finish."""
    return await ask_change(change, PauseRequest(job=change.job))


@router.post("/{job}/resume", responses=CHANGED)
async def resume(change: AskedChange, body: ResumeBody | None = None) -> AskedAnswer:
    """Go on with a job that is paused or held."""
    budget = body.max_gpu_seconds if body else None
    return await ask_change(change, ResumeRequest(job=change.job, max_gpu_seconds=budget))


@router.post("/{job}/cancel", responses=CHANGED)
async def cancel(change: AskedChange) -> AskedAnswer:
    """End a job; what it committed stays in the store."""
    return await ask_change(change, CancelRequest(job=change.job))


@router.post("/{job}/retry", responses=CHANGED)
async def retry(change: AskedChange) -> AskedAnswer:
    """Try again what failed or was given up."""
    return await ask_change(change, RetryRequest(job=change.job))


@router.post("/{job}/segments/requeue", responses=CHANGED)
async def requeue(change: AskedChange, body: FramesBody) -> AskedAnswer:
    """Put segments with these frames that were given up or waived back in line, in every take."""
    first, stop = body.span()
    return await ask_change(change, RequeueRequest(job=change.job, first_frame=first, stop_frame=stop))


@router.post("/{job}/segments/waive", responses=CHANGED)
async def waive(change: AskedChange, body: FramesBody) -> AskedAnswer:
    """Do without the segments with these frames, in every take: a picture stands still there."""
    first, stop = body.span()
    return await ask_change(change, WaiveRequest(job=change.job, first_frame=first, stop_frame=stop))


async def ask_change(change: Change, request: AnyRequest) -> AskedAnswer:
    """Ask the farm for a change, and give its answer.

    Raises:
        FarmError: There is no such job, or the farm refuses.
    """
    studio = change.key.studio
    jobs = StudioJobs(change.context, studio)
    await jobs.known(change.job)
    number, answer = await jobs.ask(request, token=job_token(studio, change.idempotency_key))
    if answer is None:
        change.response.status_code = 202
        return AskedAnswer(job=change.job, answered=False, text="", request=number)
    text = change.context.files.public_text(answer.text, studio)
    return AskedAnswer(job=change.job, answered=True, text=text, request=number)


def job_token(studio: str, idempotency_key: str | None) -> str:
    """What names a request in the journal: two studios may choose one key, and neither may learn of the other's."""
    return f"api/{studio}/{idempotency_key or secrets.token_hex(16)}"


def _is_yaml(request: Request) -> bool:
    kind = request.headers.get("content-type", "application/json").partition(";")[0].strip().lower()
    if kind in {
        "application/json",
        "application/x-www-form-urlencoded",
    }:  # which curl says of whatever it sends
        return False
    if kind in {"application/yaml", "text/yaml", "application/x-yaml"}:
        return True
    raise BadRequest(
        f"'{kind[:60]}' is neither JSON nor YAML",
        where="Content-Type",
        code="unknown_body",
        hint="send application/json or application/yaml",
    )


def _text_of(body: bytes) -> str:
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise BadRequest("is not UTF-8 text", where="body", code="not_text", hint="send UTF-8") from None
