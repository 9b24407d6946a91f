"""Log in with a key, and out again."""

from __future__ import annotations

from typing import Annotated, Final
from urllib.parse import urlsplit

from anyio import to_thread
from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from farm.api.access import key_of_text
from farm.api.context import Context
from farm.api.problems import status_of, told_of
from farm.page.refusals import LOGIN
from farm.page.sessions import (
    LASTS_S,
    AnyVisitor,
    OwnForm,
    cookie_name,
    forget_session,
    form_of,
    keep_session,
)
from farm.page.templates import filled
from jobs.access import Scope
from jobs.errors import AccessRefused

router = APIRouter()

_FIRST_PAGE: Final = "/"
_BEGINS: Final = (
    (Scope.READ, "/jobs"),
    (Scope.WRITE, "/new"),
    (Scope.ADMIN, "/admin"),
    (Scope.METRICS, "/farm"),
)


@router.get(_FIRST_PAGE)
async def first_page(visitor: AnyVisitor) -> Response:
    """The page begins with the jobs, or with whatever else the key opens."""
    begins = next(path for scope, path in _BEGINS if visitor.may(scope))
    return RedirectResponse(begins, status_code=303)


@router.get(LOGIN)
async def login_form(next_page: Annotated[str, Query(alias="next", max_length=2000)] = "") -> Response:
    """Ask for a key."""
    return HTMLResponse(filled("login.html", next_page=_own_page(next_page), refusal=None))


@router.post(LOGIN)
async def log_in(request: Request, context: Context) -> Response:
    """Begin a session."""
    form = await form_of(request)
    back = _own_page(form.text("next"))
    try:
        key = await key_of_text(context, form.text("key"), where="key")
    except AccessRefused as refusal:
        told = told_of(request, refusal)
        return HTMLResponse(
            filled("login.html", next_page=back, refusal=told), status_code=status_of(refusal)
        )
    sessions = context.journal.page_sessions
    session = await to_thread.run_sync(lambda: sessions.begin(key.key_id, lasts_s=LASTS_S))
    response = RedirectResponse(back, status_code=303)
    keep_session(request, response, session)
    return response


@router.post("/logout")
async def log_out(request: Request, context: Context, _visitor: AnyVisitor, _form: OwnForm) -> Response:
    """End the session, here and in the browser."""
    await to_thread.run_sync(context.journal.page_sessions.end, request.cookies[cookie_name(request)])
    response = RedirectResponse(LOGIN, status_code=303)
    forget_session(request, response)
    return response


def _own_page(wanted: str) -> str:
    """Where to go after the log in: a page of this farm, whatever the address says."""
    parts = urlsplit(wanted)
    is_own = (
        wanted.startswith("/") and not wanted.startswith(("//", "/\\")) and not (parts.scheme or parts.netloc)
    )
    return wanted if is_own and wanted.isprintable() else _FIRST_PAGE
