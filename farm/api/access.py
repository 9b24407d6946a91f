"""Whom a request comes from: every address but health needs a key, looked up anew for each request."""

from __future__ import annotations

import math
import time
from collections.abc import Awaitable, Callable
from typing import Annotated

from anyio import to_thread
from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from limits import RateLimitItemPerMinute

from farm.api.context import ApiContext, Context
from farm.api.problems import BadRequest
from jobs.access import ApiKey, KeyState, Scope
from jobs.errors import AccessRefused, Retry

_BEARER = HTTPBearer(auto_error=False, description="A key, as `farm key create` shows it once.")
Credentials = Annotated[HTTPAuthorizationCredentials | None, Depends(_BEARER)]


async def checked_key(context: ApiContext, credentials: HTTPAuthorizationCredentials | None) -> ApiKey:
    """What is known of a key that opens something now.

    Raises:
        AccessRefused: There is none, or it does not.
        JournalError: It cannot be looked up.
    """
    if credentials is None:
        raise AccessRefused(
            "there is no key", where="Authorization", code="no_key", hint="send Authorization: Bearer KEY"
        )
    return await key_of_text(context, credentials.credentials, where="Authorization")


async def key_of_text(context: ApiContext, text: str, *, where: str) -> ApiKey:
    """What is known of a key as somebody wrote it at `where`. Raises as `checked_key`."""
    key = await to_thread.run_sync(context.journal.keys.find, text)
    if key is None:
        raise AccessRefused(
            "no key of this farm", where=where, code="key_unknown", hint="check the key for typing errors"
        )
    check_state(context, key)
    return key


def check_state(context: ApiContext, key: ApiKey) -> None:
    """Refuse a key that opens nothing now.

    Raises:
        AccessRefused: It has expired or is revoked.
    """
    state = key.state(now=context.clock())
    if state is KeyState.EXPIRED:
        raise AccessRefused("has expired", where=key.key_id, code="key_expired", hint="ask for a new key")
    if state is KeyState.REVOKED:
        raise AccessRefused("is revoked", where=key.key_id, code="key_revoked", hint="ask for a new key")


def check_scope(key: ApiKey, scope: Scope) -> None:
    """Refuse a key that may not do what is asked.

    Raises:
        AccessRefused: It lacks the scope.
    """
    if scope not in key.scopes:
        raise AccessRefused(
            f"may not do this: it lacks the scope '{scope}'",
            where=key.key_id,
            code="scope_missing",
            hint="use another key, or have one made",
        )


def check_rate(request: Request, context: ApiContext, studio: str) -> None:
    """Refuse the requests of a studio that come too fast; its keys share the limit.

    Raises:
        BadRequest: They do; the answer says when the next may come.
    """
    most = RateLimitItemPerMinute(context.limits.requests_per_minute)
    if context.rates.hit(most, studio):
        return
    until = context.rates.get_window_stats(most, studio).reset_time
    request.state.retry_after_s = max(1, math.ceil(until - time.time()))
    raise BadRequest(
        f"more than {most.amount} requests came within a minute",
        where="requests_per_minute",
        code="rate_limited",
        hint="send fewer, or follow events instead of asking again and again",
        retry=Retry.LATER,
    )


def _with(scope: Scope | None) -> Callable[..., Awaitable[ApiKey]]:
    async def allowed(request: Request, context: Context, credentials: Credentials) -> ApiKey:
        key = await checked_key(context, credentials)
        check_rate(request, context, key.studio)
        if scope is not None:
            check_scope(key, scope)
        return key

    return allowed


Anybody = Annotated[ApiKey, Depends(_with(None))]
Reader = Annotated[ApiKey, Depends(_with(Scope.READ))]
Writer = Annotated[ApiKey, Depends(_with(Scope.WRITE))]
NEEDS_ADMIN = Depends(_with(Scope.ADMIN))
Admin = Annotated[ApiKey, NEEDS_ADMIN]
NEEDS_METRICS = Depends(_with(Scope.METRICS))
