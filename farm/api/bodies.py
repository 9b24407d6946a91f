"""What stands before every address: a name for each request, and bodies of bounded size and patience."""

from __future__ import annotations

import asyncio
import secrets
from contextlib import suppress
from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from farm.api.context import ApiLimits
from farm.api.problems import BadRequest, answer

UPLOADS: Final = frozenset({"/v1/uploads", "/uploads"})
"""Addresses of the API and of the page that take recordings."""

_DISCARDED_BYTES: Final = 4_000_000
_DISCARDED_S: Final = 1.0
"""What of an unread body is taken in before an answer goes out: a client that is cut off while it sends reads none."""


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
        most = self._limits.upload_bytes if scope["path"] in UPLOADS else self._limits.body_bytes
        body = _Body(receive, most=most, silence_s=self._limits.silence_s)
        has_begun = False

        async def answered(message: Message) -> None:
            nonlocal has_begun
            if message["type"] == "http.response.start":
                has_begun = True
                await body.discard()
                MutableHeaders(scope=message)["X-Request-ID"] = scope["state"]["request_id"]
            await send(message)

        try:
            body.check_announced(Headers(scope=scope).get("content-length", ""))
            await self._app(scope, body.receive, answered)
        except BadRequest as refusal:
            if has_begun:
                raise
            response = answer(Request(scope), refusal, headers={"Connection": "close"})
            await response(scope, body.receive, answered)


class _Body:
    """The body of one request as it comes."""

    def __init__(self, receive: Receive, *, most: int, silence_s: float) -> None:
        self._receive, self._most, self._silence_s = receive, most, silence_s
        self._taken, self._is_whole = 0, False
        # A stream asks whether its client is still there while its answer begins.
        self._turn = asyncio.Lock()

    def check_announced(self, length: str) -> None:
        """Refuse what says itself that it is too large.

        Raises:
            BadRequest: It does.
        """
        if length.isascii() and length.isdecimal() and int(length[:20]) > self._most:
            raise self._too_large()

    async def receive(self) -> Message:
        """The next part, and once there is none, whatever else the client does: that may take for ever.

        Raises:
            BadRequest: It is too large, or stopped coming.
        """
        async with self._turn:
            message = None if self._is_whole else await self._within_silence()
        if message is None:
            return await self._receive()
        if self._taken > self._most:
            raise self._too_large()
        return message

    async def discard(self) -> None:
        """Take in what is still to come of it, if that is not much."""
        until = self._taken + _DISCARDED_BYTES
        with suppress(TimeoutError):
            async with asyncio.timeout(_DISCARDED_S), self._turn:
                while not self._is_whole and self._taken < until:
                    await self._next()
        self._is_whole = True

    async def _within_silence(self) -> Message | None:
        """The next part; None where an answer went out meanwhile, and nobody wants it any more."""
        try:
            return await asyncio.wait_for(self._next(), self._silence_s)
        except TimeoutError:
            if self._is_whole:
                return None
        self._is_whole = True
        raise BadRequest(
            f"nothing of the body came for {self._silence_s:.0f} s",
            where="body",
            code="body_too_slow",
            hint="send it again",
        )

    async def _next(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.request":
            self._taken += len(message.get("body", b""))
            self._is_whole = not message.get("more_body", False)
        else:
            self._is_whole = True
        return message

    def _too_large(self) -> BadRequest:
        return BadRequest(
            f"the body has more than {self._most} bytes",
            where="body",
            code="body_too_large",
            hint="send less",
        )
