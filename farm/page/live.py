"""Pages that stay true while one looks: what changed of them goes to the browser as server-sent events.

A stream begins with all of it, so whoever was cut off and comes back has missed nothing. After that it sends the
elements that look otherwise than they did, and all of it again where elements came or went. A stream without news still
says ``beat`` every few seconds: a browser that hears nothing knows that the connection is lost.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from anyio import to_thread
from fastapi.responses import StreamingResponse
from markupsafe import Markup

from farm.api.context import ApiContext
from farm.page.sessions import Visitor
from jobs.access import KeyState
from jobs.errors import FarmError, JournalError

_BEAT_S: Final = 4.0
"""The script in the browser waits for about three of them."""

_GATHER_S: Final = 0.4
"""What happens within it is sent together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LivePart:
    """What a page shows at one moment.

    Attributes:
        whole: All of it, as it stands inside the element that is kept true.
        elements: HTML of each element in it that changes by itself, by its id.
        outside: The same of elements that lie elsewhere in the page.
        news: Event that scripts and other elements are told of when elements changed; empty for none.
    """

    whole: Callable[[], Markup]
    elements: Mapping[str, Markup]
    outside: Mapping[str, Markup] = field(default_factory=dict)
    news: str = ""


LookNow = Callable[[], Awaitable[LivePart]]


def live(context: ApiContext, visitor: Visitor, look: LookNow) -> StreamingResponse:
    """A stream that keeps a part of the page true until the browser leaves, the session ends, or the server does."""
    return StreamingResponse(
        _told(context, visitor, look),
        media_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


async def _told(context: ApiContext, visitor: Visitor, look: LookNow) -> AsyncIterator[str]:
    followed = context.followed
    shown: dict[str, Markup] = {}
    outside: dict[str, Markup] = {}
    while not followed.is_closing:
        seen, known_keys = followed.sequence, followed.key_changes
        try:
            now = await look()
        except JournalError:
            return  # the browser comes back, and is told what is wrong
        except FarmError:
            yield _event("gone", "reload")
            return
        message = _difference(shown, outside, now)
        if message:
            yield _event("", message)
            if now.news and shown and dict(now.elements) != shown:
                yield _event(now.news, "changed")
        yield _event("beat", "alive")
        shown, outside = dict(now.elements), dict(now.outside)
        await followed.news(after=seen, key_changes=known_keys, within_s=_BEAT_S)
        await asyncio.sleep(_GATHER_S)
        if not await _may_go_on(context, visitor):
            return


def _difference(shown: Mapping[str, Markup], outside: Mapping[str, Markup], now: LivePart) -> str:
    """What the browser has to put into its page; empty where it shows that already."""
    changed = [_partial(name, html) for name, html in now.outside.items() if outside.get(name) != html]
    if list(shown) != list(now.elements):
        return "".join([str(now.whole()), *changed])
    changed += [_partial(name, html) for name, html in now.elements.items() if shown[name] != html]
    return "".join(changed)


def _partial(name: str, html: Markup) -> str:
    return f'<hx-partial hx-target="#{name}" hx-swap="outerMorph">{html}</hx-partial>'


def _event(name: str, text: str) -> str:
    lines = "".join(f"data: {line}\n" for line in text.splitlines())
    return f"event: {name}\n{lines}\n" if name else f"{lines}\n"


async def _may_go_on(context: ApiContext, visitor: Visitor) -> bool:
    key = await to_thread.run_sync(context.journal.page_sessions.key_of, visitor.session)
    return key is not None and key.state(now=context.clock()) is KeyState.ACTIVE
