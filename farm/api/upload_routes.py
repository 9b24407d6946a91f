"""/v1/uploads: recordings on their way in."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from anyio import to_thread
from fastapi import APIRouter, Request, Response
from pydantic import BaseModel

from farm.api.access import Reader, Writer
from farm.api.context import Context
from farm.api.problems import BadRequest, documented
from farm.api.studio_files import UPLOAD_PREFIX
from jobs.errors import DiskFull

router = APIRouter(prefix="/v1/uploads", tags=["uploads"])

_BODY: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    }
}


class UploadAnswer(BaseModel):
    """A recording that was uploaded; `uri` is what a job calls it."""

    upload: str
    uri: str
    sha256: str
    size_bytes: int


_KNOWN: Final[dict[int | str, dict[str, Any]]] = {
    200: {"model": UploadAnswer, "description": "The studio has uploaded these bytes before"}
}


@router.post("", status_code=201, responses=documented(507) | _KNOWN, openapi_extra=_BODY)
async def upload(request: Request, response: Response, context: Context, key: Writer) -> UploadAnswer:
    """Upload a recording: the body is the file. The same bytes are the same upload, however often they come."""
    with _incoming(context.cache / "incoming") as path:
        size = await _receive(request.stream(), path)
        if size == 0:
            raise BadRequest("is empty", where="body", code="empty_upload", hint="send the file as the body")
        name, facts, is_new = await to_thread.run_sync(context.files.keep_upload, key.studio, path)
    response.headers["Location"] = f"/v1/uploads/{name}"
    response.status_code = 201 if is_new else 200
    return UploadAnswer(
        upload=name, uri=f"{UPLOAD_PREFIX}{name}", sha256=facts.sha256, size_bytes=facts.size_bytes
    )


@router.get("/{upload}", responses=documented(404))
async def get_upload(upload: str, context: Context, key: Reader) -> UploadAnswer:
    """What is known of an upload."""
    facts = await to_thread.run_sync(context.files.upload, key.studio, upload)
    return UploadAnswer(
        upload=upload, uri=f"{UPLOAD_PREFIX}{upload}", sha256=facts.sha256, size_bytes=facts.size_bytes
    )


async def _receive(parts: AsyncIterator[bytes], path: Path) -> int:
    size = 0
    with path.open("wb") as file:
        async for part in parts:
            size += len(part)
            await to_thread.run_sync(file.write, part)
    return size


@contextmanager
def _incoming(folder: Path) -> Iterator[Path]:
    """A file that is gone after the block, whatever happens in it.

    Raises:
        DiskFull, OutputUnwritable: It cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder, ignore_cleanup_errors=True) as place:
            yield Path(place, "upload")
    except OSError as error:
        raise DiskFull.or_unwritable(error, where="the upload", hint="tell whoever runs the farm") from error
