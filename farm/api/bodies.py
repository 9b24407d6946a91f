"""What stands before every address: a name for each request, and bodies of bounded size and patience."""

from __future__ import annotations

import asyncio
import secrets
from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from farm.api.context import ApiLimits
from farm.api.problems import REQUEST_ID, BadRequest, answer

UPLOADS: Final = "/v1/uploads"


class BoundedBodies:
    """ASGI middleware. A body that is announced or turns out to be too large, or stops coming, is refused."""

    def __init__(self, app: ASGIApp, *, limits: ApiLimits) -> None:
        self._app, self._limits = app, limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        scope.setdefault("state", {})["request_id"] = secrets.token_hex(8)
        has_begun = False

        async def named(message: Message) -> None:
            nonlocal has_begun
            if message["type"] == "http.response.start":
                has_begun = True
                MutableHeaders(scope=message)[REQUEST_ID] = scope["state"]["request_id"]
            await send(message)

        most = self._limits.upload_bytes if scope["path"] == UPLOADS else self._limits.body_bytes
        try:
            _check_announced(Headers(scope=scope).get("content-length", ""), most)
            await self._app(scope, _bounded(receive, most, self._limits.silence_s), named)
        except BadRequest as refusal:
            if has_begun:
                raise
            await answer(Request(scope), refusal, headers={"Connection": "close"})(scope, receive, named)


def _bounded(receive: Receive, most: int, silence_s: float) -> Receive:
    taken, is_whole = 0, False

    async def bounded() -> Message:
        nonlocal taken, is_whole
        if is_whole:
            return await receive()  # whether the client is still there: that may take for ever
        try:
            message = await asyncio.wait_for(receive(), silence_s)
        except TimeoutError:
            raise BadRequest(
                f"nothing of the body came for {silence_s:.0f} s",
                where="body",
                code="body_too_slow",
                hint="send it again",
            ) from None
        if message["type"] == "http.request":
            taken += len(message.get("body", b""))
            is_whole = not message.get("more_body", False)
            if taken > most:
                raise _too_large(most)
        return message

    return bounded


def _check_announced(length: str, most: int) -> None:
    if length.isascii() and length.isdecimal() and int(length[:20]) > most:
        raise _too_large(most)


def _too_large(most: int) -> BadRequest:
    return BadRequest(
        f"the body has more than {most} bytes", where="body", code="body_too_large", hint="send less"
    )
