"""/v1/batches: one template and many rows, handed in at once or not at all, and looked at together."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from typing import Annotated, Any, Self

from anyio import to_thread
from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, ConfigDict, model_validator

from farm.api.access import Reader, Writer
from farm.api.context import ApiContext, Context
from farm.api.job_answers import WAITING, progress_of
from farm.api.job_routes import IdempotencyKey, job_token
from farm.api.problems import documented
from farm.api.studio_jobs import StudioJobs
from farm.asking import put_request
from infra.journal.batches import BatchSubmit, JobBatch
from jobs.batch import BatchRow, documents_of, rows_of_csv, rows_of_jsonl, rows_of_records
from jobs.farm_requests import CancelRequest, SubmitRequest
from jobs.lifecycle import JobState
from jobs.spec_model import Slug

router = APIRouter(prefix="/v1/batches", tags=["batches"])

_REFUSED = "refused"
_WHERE = "the body"


class BatchBody(BaseModel):
    """The batch that is wanted; its rows in one of three forms.

    Attributes:
        template: A render job, with `${column}` in its values.
        rows: Objects of columns and values.
        csv: The same as CSV with a header.
        jsonl: The same as JSON Lines.
    """

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "example": {
                "name": "spring",
                "template": {
                    "apiVersion": "farm/v1",
                    "kind": "RenderJob",
                    "metadata": {"name": "${shot}"},
                    "spec": {"speech": "${speech}", "subject": "builtin:actor-a", "seed": "${seed:number}"},
                },
                "csv": "shot,speech,seed\nhello,upload:2cf24dba5fb0a30e26e83b2ac5b9e29e,7\n",
            }
        },
    )

    name: Slug
    template: dict[str, Any]
    rows: list[Any] | None = None
    csv: str | None = None
    jsonl: str | None = None

    @model_validator(mode="after")
    def _has_one_form(self) -> Self:
        if sum(each is not None for each in (self.rows, self.csv, self.jsonl)) != 1:
            raise ValueError("give rows, csv or jsonl, and one of them alone")
        return self

    def batch_rows(self) -> list[BatchRow]:
        """The rows, whichever form they have.

        Raises:
            SpecError: With every mistake in them.
        """
        if self.csv is not None:
            return rows_of_csv(self.csv, where=_WHERE)
        if self.jsonl is not None:
            return rows_of_jsonl(self.jsonl, where=_WHERE)
        return rows_of_records(self.rows or [], where=_WHERE)


class BatchJobAnswer(BaseModel):
    """A row's job: `state` as of any job, or `refused`, with the code of why."""

    row: int
    job: str
    state: str
    code: str = ""


class BatchSummary(BaseModel):
    """A batch without its jobs."""

    batch: str
    name: str
    created_at: datetime


class BatchAnswer(BatchSummary):
    """A batch.

    Attributes:
        percent: How much of all its jobs is done; an ended job is, whatever its end.
        ended: Jobs that have ended.
        states: How many jobs are in each state.
    """

    percent: float
    ended: int
    states: dict[str, int]
    jobs: list[BatchJobAnswer]


class BatchCheck(BaseModel):
    """What a batch would come to: the names that its jobs would have, without their numbers."""

    rows: int
    names: list[str]


class BatchList(BaseModel):
    """The studio's batches, the newest first."""

    batches: list[BatchSummary]


class BatchCancelled(BaseModel):
    """How many jobs the farm was asked to end."""

    batch: str
    asked: int


@router.post(
    "",
    status_code=201,
    responses=documented(409)
    | {
        200: {
            "model": BatchCheck,
            "description": "With dry_run: every row is good, and nothing was handed in",
        }
    },
)
async def create_batch(
    body: BatchBody,
    response: Response,
    context: Context,
    key: Writer,
    idempotency_key: IdempotencyKey = None,
    dry_run: Annotated[bool, Query(description="Check all of it, and hand in nothing.")] = False,
    hold: Annotated[bool, Query(description="Its jobs wait for a resume.")] = False,
) -> BatchAnswer | BatchCheck:
    """Hand in a job for each row: all of them, or none and every mistake of every row."""
    token = job_token(key.studio, idempotency_key)
    submits = await to_thread.run_sync(lambda: _submits(body, context, key.studio, token=token, hold=hold))
    if dry_run:
        response.status_code = 200
        return BatchCheck(rows=len(submits), names=[submit.title for submit in submits])
    batch = await to_thread.run_sync(
        lambda: context.journal.batches.ask(submits, studio=key.studio, name=body.name, token=token)
    )
    response.headers["Location"] = f"/v1/batches/{batch.batch_id}"
    return await _answer(batch, context)


@router.get("", responses=documented())
async def list_batches(context: Context, key: Reader) -> BatchList:
    """The studio's batches."""
    found = await to_thread.run_sync(lambda: context.journal.batches.all(studio=key.studio))
    return BatchList(batches=[_summary(batch) for batch in found])


@router.get("/{batch}", responses=documented(404))
async def get_batch(batch: str, context: Context, key: Reader) -> BatchAnswer:
    """One batch: how far it is, and where each of its jobs stands."""
    return await _answer(await _known(batch, context, key.studio), context)


@router.post("/{batch}/cancel", responses=documented(404))
async def cancel_batch(batch: str, context: Context, key: Writer) -> BatchCancelled:
    """End every job of the batch that has not ended; what they committed stays in the store."""
    known = await _known(batch, context, key.studio)
    told = await _answer(known, context)
    ended = {_REFUSED, *(state.value for state in JobState if state.is_terminal)}
    left = [each.job for each in told.jobs if each.state not in ended]
    token = job_token(key.studio, None)

    def ask() -> None:
        for job in left:
            put_request(context.journal, CancelRequest(job=job), token=f"{token}/{job}")

    await to_thread.run_sync(ask)
    return BatchCancelled(batch=batch, asked=len(left))


def _submits(
    body: BatchBody, context: ApiContext, studio: str, *, token: str, hold: bool
) -> list[BatchSubmit]:
    submits: list[BatchSubmit] = []

    def take(row: BatchRow, document: Any) -> None:
        made = context.files.document_for_farm(
            json.dumps(document),
            json_only=True,
            studio=studio,
            place=hashlib.sha256(f"{token}/{row.number}".encode()).hexdigest()[:24],
        )
        request = SubmitRequest(
            document=made, folder=str(context.files.folder(studio)), studio=studio, on_hold=hold
        )
        submits.append(BatchSubmit(title=made["metadata"]["name"], body=request.model_dump_json()))

    documents_of(body.template, body.batch_rows(), where=_WHERE, check=take)
    return submits


async def _known(batch: str, context: ApiContext, studio: str) -> JobBatch:
    return await to_thread.run_sync(lambda: context.journal.batches.get(batch, studio=studio))


async def _answer(batch: JobBatch, context: ApiContext) -> BatchAnswer:
    jobs = StudioJobs(context, batch.studio)
    # First: what a farm takes in between the two looks is found by the second.
    waiting = await jobs.waiting()
    await context.followed.refresh()
    told: list[BatchJobAnswer] = []
    done = 0.0
    states: dict[str, int] = {}
    for row, name in enumerate(batch.jobs, start=1):
        job, code = context.followed.jobs.get(name), ""
        if job is not None:
            state = job.state.value
            progress = progress_of(job)
            done += 1.0 if job.state.is_terminal else progress.percent / 100 if progress else 0.0
        elif name in waiting:
            state = WAITING
        else:
            refusal = await jobs.refusal(name)
            state, code = _REFUSED, refusal.code if refusal else ""
            done += 1.0
        states[state] = states.get(state, 0) + 1
        told.append(BatchJobAnswer(row=row, job=name, state=state, code=code))
    ended = {_REFUSED, *(state.value for state in JobState if state.is_terminal)}
    return BatchAnswer(
        **_summary(batch).model_dump(),
        # Down, so that 100 means all.
        percent=int(done * 1000 / len(batch.jobs)) / 10,
        ended=sum(count for state, count in states.items() if state in ended),
        states=states,
        jobs=told,
    )


def _summary(batch: JobBatch) -> BatchSummary:
    return BatchSummary(
        batch=batch.batch_id, name=batch.name, created_at=datetime.fromtimestamp(batch.created_at, UTC)
    )
