"""/new: hand a job in, from a recording on the way up to the job's own page; and what was uploaded."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from fastapi.encoders import jsonable_encoder
from fastapi.responses import JSONResponse, RedirectResponse

from farm.api import job_routes, upload_routes
from farm.api.context import ApiContext, Context
from farm.api.problems import ErrorAnswer, status_of, told_of
from farm.api.studio_jobs import StudioJobs
from farm.page.frame import page_of
from farm.page.job_form import (
    CAPTIONS,
    MAIN,
    MORE,
    MOTION,
    SPEECH,
    SUBJECT,
    document_in,
    element_of,
    fields_of,
    mistakes_of,
    values_in,
)
from farm.page.sessions import OwnForm, Visitor, WritingVisitor, check_token
from jobs.errors import FarmError, SpecError, SpecMistake
from jobs.locations import BUILTIN_PREFIX
from stages.builtin import builtin_subject_names

router = APIRouter()


@dataclass(frozen=True, slots=True, kw_only=True)
class MistakeLink:
    """A mistake in the list above the form, and where its field is; empty where no field is its."""

    text: str
    element: str


@router.get("/new")
async def new_job(
    context: Context,
    visitor: WritingVisitor,
    like: Annotated[str, Query(max_length=100)] = "",
    subject: Annotated[str, Query(max_length=100)] = "",
) -> Response:
    """The empty form, or one that is filled in as another job was."""
    values = {SUBJECT: subject} if subject else {}
    if like:
        known = await StudioJobs(context, visitor.key.studio).one(like)
        values = values_in(known.document or {})
    return await _form(context, visitor, values)


@router.post("/new")
async def submit(request: Request, context: Context, visitor: WritingVisitor, form: OwnForm) -> Response:
    """Hand it in; the same form sent twice is one job."""
    text = json.dumps(document_in(form))
    token = job_routes.job_token(visitor.key.studio, form.text("token")[:64] or None)
    try:
        job, _ = await job_routes.submit_job(
            context, visitor.key.studio, text, json_only=True, token=token, hold=form.has("hold")
        )
    except FarmError as error:
        mistakes = error.mistakes if isinstance(error, SpecError) else ()
        values = {name: value.strip() for name, value in form.fields}
        return await _form(
            context,
            visitor,
            values,
            mistakes=mistakes,
            refusal=told_of(request, error),
            status=status_of(error),
        )
    return RedirectResponse(f"/jobs/{job.job}", status_code=303)


@router.post("/uploads")
async def upload(request: Request, response: Response, context: Context, visitor: WritingVisitor) -> Response:
    """Take a recording; answers a script."""
    try:
        check_token(visitor, request.headers.get("x-form-token", ""))
        kept = await upload_routes.upload(request, response, context, visitor.key)
    except FarmError as error:
        return JSONResponse(jsonable_encoder(told_of(request, error)), status_code=status_of(error))
    return JSONResponse(jsonable_encoder(kept), status_code=response.status_code or 201)


async def _form(
    context: ApiContext,
    visitor: Visitor,
    values: Mapping[str, str],
    *,
    mistakes: Iterable[SpecMistake] = (),
    refusal: ErrorAnswer | None = None,
    status: int = 200,
) -> Response:
    told = list(mistakes)
    subjects = [f"{BUILTIN_PREFIX}{name}" for name in builtin_subject_names()]
    chosen = values.get(SUBJECT, "")
    return await page_of(
        context,
        visitor,
        "new_job.html",
        section="new",
        status=status,
        main=fields_of(MAIN, values, told),
        motion=fields_of(MOTION, values, told),
        more=fields_of(MORE, values, told),
        speech=values.get(SPEECH, ""),
        speech_mistakes=mistakes_of(SPEECH, told),
        captions=values.get(CAPTIONS, ""),
        captions_mistakes=mistakes_of(CAPTIONS, told),
        subjects=subjects,
        # One that does not ship is not taken over the network: whoever wrote it is told so.
        subject=chosen or subjects[0],
        subject_mistakes=mistakes_of(SUBJECT, told),
        hold="hold" in values,
        token=secrets.token_hex(16),
        refusal=refusal,
        mistake_links=_links(told),
    )


def _links(mistakes: Iterable[SpecMistake]) -> list[MistakeLink]:
    fields = {each.path for each in (*MAIN, *MOTION, *MORE)} | {SPEECH, SUBJECT, CAPTIONS}
    return [
        MistakeLink(text=str(each), element=element_of(path) if path in fields else "")
        for each in mistakes
        for path in [each.path.removesuffix(".uri")]
    ]
