"""What stands before every address of the page: headers that bind the browser, and forms of this page alone."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from farm.api.problems import BadRequest
from farm.page.refusals import refused

_SECURITY_POLICY: Final = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        # What a script puts together of a stream's pieces has an address of this kind.
        "media-src 'self' blob:",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
_HEADERS: Final = {
    "Content-Security-Policy": _SECURITY_POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    # Not no-referrer: browsers then hide where a form comes from.
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}
_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})


class ProtectedPage:
    """ASGI middleware. What another site has a browser send is refused before anybody looks at it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers[name] = value
                # Nothing of a studio stays in a cache after it has logged out.
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        if scope["method"] in _SAFE or _is_own(Headers(scope=scope)):
            await self._app(scope, receive, guarded)
            return
        refusal = BadRequest(
            "comes from another site",
            where="form",
            code="foreign_form",
            hint="open the page and send its own form",
        )
        await refused(Request(scope), refusal)(scope, receive, guarded)


def _is_own(headers: Headers) -> bool:
    """Whether the browser says that a form of this page is sent; one that says nothing is not believed."""
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site == "same-origin"
    origin = headers.get("origin")
    return origin is not None and urlsplit(origin).netloc == headers.get("host")
