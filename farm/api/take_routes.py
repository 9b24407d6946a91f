"""/v1/jobs/{job}/choose and its takes: what shows each take before it is rendered, and the choice of one."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Final

from anyio import to_thread
from fastapi import APIRouter
from fastapi.responses import FileResponse
from pydantic import BaseModel, ConfigDict, Field

from farm.api.access import Reader
from farm.api.context import ApiContext, Context
from farm.api.job_routes import CHANGED, AskedAnswer, AskedChange, ask_change
from farm.api.problems import documented
from farm.api.studio_jobs import StudioJobs
from farm.ledger import LedgerJob
from infra.storage import ObjectStore, open_store
from jobs.errors import InputNotFound, ObjectNotFound
from jobs.farm_requests import ChooseRequest
from jobs.identity import sha256_of_file
from jobs.journal_events import SketchedTake
from jobs.spec import LARGEST_TAKES
from stages.whole_files import written_whole

router = APIRouter(prefix="/v1/jobs/{job}", tags=["takes"])

_SHEET: Final[Mapping[int | str, dict[str, Any]]] = {
    200: {"content": {"image/jpeg": {}}, "description": "Key frames of the take"}
}
_PLAYBACK: Final[Mapping[int | str, dict[str, Any]]] = {
    200: {"content": {"video/mp4": {}}, "description": "The take in lines, with the speech"},
    206: {"content": {"video/mp4": {}}, "description": "The part that Range asks for"},
}


class ChooseBody(BaseModel):
    """Which take is rendered, counted from 1."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"take": 2}})

    take: Annotated[int, Field(ge=1, le=LARGEST_TAKES)]


@router.post("/choose", responses=CHANGED)
async def choose(change: AskedChange, body: ChooseBody) -> AskedAnswer:
    """Render one take of a job that waits for a choice, and none of the others."""
    return await ask_change(change, ChooseRequest(job=change.job, take=body.take))


@router.get("/takes/{take}/sheet", responses={**_SHEET, **documented(404)}, response_class=FileResponse)
async def sheet(job: str, take: int, context: Context, key: Reader) -> FileResponse:
    """The contact sheet of a take that can be chosen."""
    return await sheet_file(await StudioJobs(context, key.studio).known(job), take, context)


@router.get(
    "/takes/{take}/playback", responses={**_PLAYBACK, **documented(404, 416)}, response_class=FileResponse
)
async def playback(job: str, take: int, context: Context, key: Reader) -> FileResponse:
    """A light video of a take that can be chosen, with the speech; `Range` asks for a part of it."""
    return await playback_file(await StudioJobs(context, key.studio).known(job), take, context)


async def sheet_file(job: object, take: int, context: ApiContext) -> FileResponse:
    """The contact sheet of a take.

    Raises:
        InputNotFound: There is none, or not any more.
    """
    found = _sketched(job, take)
    return await _file(found.sheet, found.sheet_sha256, context, name="sheet.jpg", media_type="image/jpeg")


async def playback_file(job: object, take: int, context: ApiContext) -> FileResponse:
    """The playback of a take. Raises as `sheet_file`."""
    found = _sketched(job, take)
    return await _file(
        found.playback, found.playback_sha256, context, name="playback.mp4", media_type="video/mp4"
    )


async def _file(key: str, sha256: str, context: ApiContext, *, name: str, media_type: str) -> FileResponse:
    path = await to_thread.run_sync(_copied, key, sha256, context)
    return FileResponse(
        path,
        media_type=media_type,
        filename=name,
        content_disposition_type="inline",
        headers={"ETag": f'"{sha256}"', "Cache-Control": "private, immutable, max-age=31536000"},
    )


def _sketched(job: object, take: int) -> SketchedTake:
    sketched = job.sketched if isinstance(job, LedgerJob) else None
    found = [each for each in sketched.takes if each.take == take] if sketched is not None else []
    if not found:
        raise InputNotFound(
            "no take of that number waits to be chosen",
            where=f"take {take}",
            code="unknown_take",
            hint="the job says which takes can be chosen, and until when",
        )
    return found[0]


def _copied(key: str, sha256: str, context: ApiContext) -> Path:
    """The object as a file of this machine, which ranges are read from; its name is its hash.

    Raises:
        InputNotFound: The store keeps it no longer.
    """
    path = context.cache / "sketches" / f"{sha256}{Path(key).suffix}"
    if not path.is_file() or sha256_of_file(path) != sha256:
        try:
            data = _store(context.store).get(key)
        except ObjectNotFound as error:
            raise InputNotFound(
                "the store does not keep it any more",
                where=key,
                code="unknown_take",
                hint="choose without it",
            ) from error
        path.parent.mkdir(parents=True, exist_ok=True)
        with written_whole(path) as partial:
            partial.write_bytes(data)
    return path


@lru_cache(maxsize=4)
def _store(address: str) -> ObjectStore:
    return open_store(address)
