"""/v1/jobs/{job}/hls: takes as streams that can be watched from their first committed segment on."""

from __future__ import annotations

import gzip
from collections.abc import Mapping
from typing import Annotated, Any, Final

from fastapi import APIRouter, Header, Path, Response

from farm.api.access import Reader
from farm.api.context import ApiContext, Context
from farm.api.problems import documented
from farm.api.studio_jobs import StudioJobs
from farm.ledger import LedgerJob
from farm.watching.file_names import FILE_NAME, MAIN
from farm.watching.watched_take import not_taken_in, watched_take

router = APIRouter(prefix="/v1/jobs/{job}/hls", tags=["watching"])

_FILES: Final[Mapping[int | str, dict[str, Any]]] = {
    200: {
        "content": {"application/vnd.apple.mpegurl": {}, "video/mp4": {}, "audio/mp4": {}, "text/vtt": {}},
        "description": "A playlist, or a piece of the picture, the sound or the captions",
    }
}
_WORTH_PACKING: Final = 400  # bytes

FileName = Annotated[
    str,
    Path(
        pattern=FILE_NAME,
        description=f"A player opens {MAIN}, which names all others.",
        openapi_examples={"first": {"value": MAIN}},
    ),
]
AcceptEncoding = Annotated[str, Header(include_in_schema=False)]


@router.get("/{take}/{name}", responses={**_FILES, **documented(404, 410)}, response_class=Response)
async def watched_file(
    job: str, take: int, name: FileName, context: Context, key: Reader, accept_encoding: AcceptEncoding = ""
) -> Response:
    """HLS of a take, counted from 1: `main.m3u8` for a player. It grows while the job runs, and ends with it."""
    return await answer_file(context, key.studio, job, take, name, may_pack="gzip" in accept_encoding)


async def answer_file(
    context: ApiContext, studio: str, job: str, take: int, name: str, *, may_pack: bool
) -> Response:
    """One file of a studio's take.

    Args:
        may_pack: Whoever asks reads gzip.

    Raises:
        FarmError: The studio has no such job, or as `TakeFiles.file`.
    """
    known = await StudioJobs(context, studio).known(job)
    if not isinstance(known, LedgerJob):
        raise not_taken_in(take)
    file = await context.watched.file(watched_take(known, take), name)
    if not file.is_list:
        # The bytes under this name never change.
        kept = {"Cache-Control": "private, immutable, max-age=31536000"}
        return Response(file.content, media_type=file.media_type, headers=kept)
    headers, content = {"Cache-Control": "private, no-cache", "Vary": "Accept-Encoding"}, file.content
    if may_pack and len(content) > _WORTH_PACKING:
        headers["Content-Encoding"], content = "gzip", gzip.compress(content, compresslevel=1, mtime=0)
    return Response(content, media_type=file.media_type, headers=headers)
