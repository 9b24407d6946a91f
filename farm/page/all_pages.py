"""All pages together."""

from __future__ import annotations

from typing import Final

from fastapi import FastAPI, Request, Response
from starlette.types import ASGIApp

from farm.api.context import ApiContext
from farm.api.problems import BadRequest
from farm.page import (
    admin_page,
    farm_page,
    job_list_page,
    job_page,
    login_page,
    new_job_page,
    subjects_page,
    watch_panel,
    webhook_page,
)
from farm.page.protection import ProtectedPage
from farm.page.refusals import handle_refusals
from farm.page.static_files import STATIC_FILES

_FAMILIES: Final = (
    login_page,
    job_list_page,
    job_page,
    watch_panel,
    new_job_page,
    subjects_page,
    farm_page,
    admin_page,
    webhook_page,
)


def make_page(context: ApiContext) -> ASGIApp:
    """The page of one process; what it shows and asks goes through the API of that process."""
    page = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    page.state.context = context
    handle_refusals(page)
    for family in _FAMILIES:
        page.include_router(family.router)
    page.add_api_route("/static/{name}", _static_file, methods=["GET", "HEAD"])
    return ProtectedPage(page)


async def _static_file(request: Request, name: str) -> Response:
    found = STATIC_FILES.get(name)
    if found is None:
        raise BadRequest("there is no such file", where=request.url.path, code="unknown_address")
    packed = "gzip" in request.headers.get("accept-encoding", "")
    headers = {"Cache-Control": "public, max-age=31536000, immutable", "Vary": "Accept-Encoding"}
    if packed:
        headers["Content-Encoding"] = "gzip"
    return Response(found.packed if packed else found.content, media_type=found.media_type, headers=headers)
