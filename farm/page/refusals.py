"""Errors as a person meets them: a page, or a notice in the page that is open; the words are those of the API."""

from __future__ import annotations

from typing import Final
from urllib.parse import quote

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, RedirectResponse
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from farm.api.context import context_of
from farm.api.problems import BadRequest, status_of, told_of
from farm.crashes import name_file
from farm.page.templates import filled
from farm.translation import translate
from jobs.errors import FarmError, InternalError

LOGIN: Final = "/login"
"""Where somebody without a session goes."""


def is_fragment(request: Request) -> bool:
    """Whether a script asks for a part of the page, not a person for a whole one."""
    return request.headers.get("hx-request") == "true"


def refused(request: Request, error: FarmError) -> Response:
    """An error as an answer."""
    status = status_of(error)
    if status == 401 and request.url.path != LOGIN:
        return _to_login(request)
    told = told_of(request, error)
    if is_fragment(request):
        return HTMLResponse(filled("notice.html", refusal=told, text=""), status_code=status)
    return HTMLResponse(filled("refusal.html", refusal=told, status=status), status_code=status)


def handle_refusals(page: FastAPI) -> None:
    """Whatever is raised becomes an answer that a person can read."""

    @page.exception_handler(FarmError)
    async def _told(request: Request, error: FarmError) -> Response:
        return refused(request, error)

    @page.exception_handler(RequestValidationError)
    async def _invalid(request: Request, error: RequestValidationError) -> Response:
        where = ".".join(str(part) for part in error.errors()[0]["loc"][1:])
        return refused(request, BadRequest("this address cannot be understood", where=where))

    @page.exception_handler(HTTPException)
    async def _http(request: Request, error: HTTPException) -> Response:
        if isinstance(error.__cause__, FarmError):
            return refused(request, error.__cause__)  # raised while a body was read
        code = "method_not_allowed" if error.status_code == 405 else "unknown_address"
        return refused(
            request,
            BadRequest(
                "there is no such page", where=request.url.path, code=code, hint="go to the first page"
            ),
        )

    @page.exception_handler(ClientDisconnect)
    async def _gone(_request: Request, _error: ClientDisconnect) -> Response:
        return Response(status_code=400)  # which nobody reads

    @page.exception_handler(Exception)
    async def _unforeseen(request: Request, error: Exception) -> Response:
        internal = translate(error, where=request.url.path, otherwise=InternalError)
        name_file(internal, cache=context_of(request).cache, what="page")
        answer = refused(request, internal)
        answer.headers["Connection"] = "close"
        return answer


def _to_login(request: Request) -> Response:
    """Where a session is missing or over, to the page that begins one, and back afterwards."""
    if is_fragment(request):
        return Response(status_code=401, headers={"HX-Redirect": LOGIN})
    wanted = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    back = f"?next={quote(wanted)}" if request.method == "GET" and wanted != "/" else ""
    return RedirectResponse(LOGIN + back, status_code=303)
