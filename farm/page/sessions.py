"""Who looks at the page: a session in a cookie stands for one key, which is looked up anew for every request."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Final
from urllib.parse import parse_qsl

from anyio import to_thread
from fastapi import Depends, Request, Response

from farm.api.access import check_rate, check_scope, check_state
from farm.api.context import ApiContext, Context
from farm.api.problems import BadRequest
from jobs.access import ApiKey, Scope
from jobs.errors import AccessRefused

LASTS_S: Final = 12 * 3600.0
"""After which somebody logs in again; a key that ends earlier ends its sessions."""

_MOST_FIELDS: Final = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Visitor:
    """Somebody who has logged in.

    Attributes:
        key: With what.
        session: The text of the cookie, which is a secret.
    """

    key: ApiKey
    session: str

    @property
    def form_token(self) -> str:
        """What every form of this session holds, and nobody else can know."""
        return hmac.new(self.session.encode(), b"form", hashlib.sha256).hexdigest()

    def may(self, scope: Scope | str) -> bool:
        """Whether the key has the scope."""
        return Scope(scope) in self.key.scopes


def cookie_name(request: Request) -> str:
    """Over TLS a name that browsers take from this host alone."""
    return "__Host-farm_session" if request.url.scheme == "https" else "farm_session"


def keep_session(request: Request, response: Response, session: str) -> None:
    """Have the browser keep a session; no script can read it, no other site can send it."""
    response.set_cookie(
        cookie_name(request),
        session,
        max_age=int(LASTS_S),
        path="/",
        httponly=True,
        samesite="strict",
        secure=request.url.scheme == "https",
    )


def forget_session(request: Request, response: Response) -> None:
    """Have the browser forget it."""
    response.delete_cookie(
        cookie_name(request),
        path="/",
        httponly=True,
        samesite="strict",
        secure=request.url.scheme == "https",
    )


async def visitor_of(request: Request, context: ApiContext) -> Visitor:
    """Who asks.

    Raises:
        AccessRefused: Nobody is logged in, or the key opens nothing any more.
        JournalError: The session cannot be looked up.
    """
    session = request.cookies.get(cookie_name(request), "")
    key = await to_thread.run_sync(context.journal.page_sessions.key_of, session) if session else None
    if key is None:
        raise AccessRefused("nobody is logged in", where="session", code="no_key", hint="log in")
    check_state(context, key)
    return Visitor(key=key, session=session)


def _with(scope: Scope | None) -> Callable[..., Awaitable[Visitor]]:
    async def allowed(request: Request, context: Context) -> Visitor:
        visitor = await visitor_of(request, context)
        check_rate(request, context, visitor.key.studio)
        if scope is not None:
            check_scope(visitor.key, scope)
        return visitor

    return allowed


AnyVisitor = Annotated[Visitor, Depends(_with(None))]
ReadingVisitor = Annotated[Visitor, Depends(_with(Scope.READ))]
WritingVisitor = Annotated[Visitor, Depends(_with(Scope.WRITE))]
AdminVisitor = Annotated[Visitor, Depends(_with(Scope.ADMIN))]


@dataclass(frozen=True, slots=True)
class Form:
    """The fields of a form that was sent, in order."""

    fields: tuple[tuple[str, str], ...]

    def text(self, name: str) -> str:
        """The field, without spaces around it; empty where the form has none."""
        return next((value.strip() for field, value in self.fields if field == name), "")

    def texts(self, name: str) -> list[str]:
        """Every field of that name."""
        return [value for field, value in self.fields if field == name]

    def has(self, name: str) -> bool:
        """Whether a box is ticked."""
        return any(field == name for field, _ in self.fields)


async def form_of(request: Request) -> Form:
    """The form of a request.

    Raises:
        BadRequest: Its body is none.
    """
    try:
        text = (await request.body()).decode()
        return Form(tuple(parse_qsl(text, keep_blank_values=True, max_num_fields=_MOST_FIELDS)))
    except ValueError:
        raise BadRequest("is no form", where="body", hint="send the page's own form") from None


def check_token(visitor: Visitor, token: str) -> None:
    """Refuse what does not come from a form of this session.

    Raises:
        BadRequest: It does not.
    """
    if not hmac.compare_digest(token.encode(), visitor.form_token.encode()):
        raise BadRequest(
            "was made before you logged in, or by another site",
            where="form",
            code="foreign_form",
            hint="load the page again",
        )


async def _own_form(request: Request, context: Context) -> Form:
    form = await form_of(request)
    check_token(await visitor_of(request, context), form.text("form_token"))
    return form


OwnForm = Annotated[Form, Depends(_own_form)]
