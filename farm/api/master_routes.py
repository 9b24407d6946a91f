"""/v1/jobs/{job}/masters: what was delivered, whole or by ranges, and never anything else under its name."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from anyio import to_thread
from fastapi import APIRouter, Response
from fastapi.responses import FileResponse

from farm.api.access import Reader
from farm.api.context import Context
from farm.api.problems import documented
from farm.api.studio_jobs import StudioJobs
from farm.ledger import LedgerJob
from jobs.errors import InputChanged, InputNotFound
from jobs.identity import sha256_of_bytes, sha256_of_file
from jobs.journal_events import TakeDelivered
from jobs.locations import is_s3
from jobs.manifest import Manifest

router = APIRouter(prefix="/v1/jobs/{job}/masters", tags=["masters"])

_VIDEO: Final[Mapping[int | str, dict[str, Any]]] = {
    200: {"content": {"video/mp4": {}}, "description": "The master"},
    206: {"content": {"video/mp4": {}}, "description": "The part that Range asks for"},
}

_CAPTIONS_TYPES: Final[Mapping[str, str]] = {"srt": "application/x-subrip", "vtt": "text/vtt"}
_CAPTIONS: Final[Mapping[int | str, dict[str, Any]]] = {
    200: {"content": {each: {} for each in _CAPTIONS_TYPES.values()}, "description": "The captions"}
}


@router.get("/{take}", responses={**_VIDEO, **documented(404, 410, 416)}, response_class=FileResponse)
async def master(job: str, take: int, context: Context, key: Reader) -> FileResponse:
    """The master of a take, counted from 1; `Range` asks for a part of it."""
    found = _delivered(await StudioJobs(context, key.studio).known(job), take)
    path = await to_thread.run_sync(_unchanged, found)
    return FileResponse(
        path,
        media_type="video/mp4",
        filename=path.name,
        content_disposition_type="inline",
        # The bytes under this name never change.
        headers={"ETag": f'"{found.sha256}"', "Cache-Control": "private, immutable, max-age=31536000"},
    )


@router.get("/{take}/manifest", responses=documented(404, 410))
async def manifest(job: str, take: int, context: Context, key: Reader) -> dict[str, Any]:
    """The manifest of a take's master: what it was made from, segment by segment."""
    found = _delivered(await StudioJobs(context, key.studio).known(job), take)
    record: dict[str, Any] = await to_thread.run_sync(_manifest_of, found)
    record["job"] = context.files.public_document(record["job"])
    record["master"]["uri"] = f"/v1/jobs/{job}/masters/{take}"
    if record.get("captions"):
        record["captions"]["uri"] = f"/v1/jobs/{job}/masters/{take}/captions"
    return record


@router.get("/{take}/captions", responses={**_CAPTIONS, **documented(404, 410)}, response_class=Response)
async def captions(job: str, take: int, context: Context, key: Reader) -> Response:
    """The captions of a take's master, as they were handed in."""
    found = _delivered(await StudioJobs(context, key.studio).known(job), take)
    record = Manifest.from_json(
        json.dumps(await to_thread.run_sync(_manifest_of, found)).encode(), where=f"take {take}"
    ).captions
    if record is None or found.captions is None:
        raise InputNotFound(
            "has no captions",
            where=f"take {take}",
            code="no_captions",
            hint="spec.output.captions names them",
        )
    data = await to_thread.run_sync(_unchanged_captions, Path(found.captions), record.sha256, take)
    name = f"{job}.captions.{record.form}" if take == 1 else f"{job}.take{take}.captions.{record.form}"
    disposition = {"Content-Disposition": f'inline; filename="{name}"'}
    return Response(data, media_type=_CAPTIONS_TYPES[record.form], headers=disposition)


def _unchanged_captions(path: Path, sha256: str, take: int) -> bytes:
    try:
        data = path.read_bytes()
    except OSError:
        data = b""
    if sha256_of_bytes(data) != sha256:
        raise InputChanged(
            "its captions are no longer what was delivered",
            where=f"take {take}",
            code="master_changed",
            hint="submit the job again: what is committed is not rendered again",
        )
    return data


def _delivered(job: object, take: int) -> TakeDelivered:
    found = job.delivered.get(take) if isinstance(job, LedgerJob) else None
    if found is None:
        raise InputNotFound(
            "no master of that take is delivered yet",
            where=f"take {take}",
            code="unknown_master",
            hint="the job's events say when one is",
        )
    if is_s3(found.master):
        raise InputNotFound(
            "its master lies in a bucket of the studio's own",
            where=f"take {take}",
            code="unknown_master",
            hint="fetch it there",
        )
    return found


def _unchanged(found: TakeDelivered) -> Path:
    """The file, if it is still what was delivered.

    Raises:
        InputChanged: It is gone, or somebody put another file there.
    """
    path = Path(found.master)
    try:
        facts = path.stat()
        sha256 = _sha256(path, facts.st_ino, facts.st_size, facts.st_mtime_ns)
    except OSError:
        sha256 = ""
    if sha256 != found.sha256:
        raise InputChanged(
            "is no longer the file that was delivered",
            where=f"take {found.take}",
            code="master_changed",
            hint="submit the job again: what is committed is not rendered again",
        )
    return path


@lru_cache(maxsize=4096)
def _sha256(path: Path, _inode: int, _size: int, _changed_ns: int) -> str:
    """Read once for every state of the file that is seen."""
    return sha256_of_file(path)


def _manifest_of(found: TakeDelivered) -> Any:
    try:
        return json.loads(Path(found.manifest).read_bytes())
    except (OSError, ValueError):
        raise InputChanged(
            "its manifest is no longer what was delivered",
            where=f"take {found.take}",
            code="master_changed",
            hint="submit the job again: what is committed is not rendered again",
        ) from None
