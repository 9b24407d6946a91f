"""All addresses together."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from starlette.types import ASGIApp, Receive, Scope, Send

from farm.api import (
    batch_routes,
    error_routes,
    event_routes,
    health_routes,
    job_routes,
    key_routes,
    master_routes,
    metrics_routes,
    own_key_routes,
    take_routes,
    upload_routes,
    watch_routes,
    webhook_routes,
)
from farm.api.bodies import BoundedBodies
from farm.api.context import ApiContext
from farm.api.problems import ErrorAnswer, handle_errors
from farm.api.request_metrics import CountedRequests
from farm.api.webhook_outbox import WebhookOutbox
from farm.api.webhook_sending import WebhookSender
from jobs.spec import RenderJob
from jobs.version import engine_version

logger = logging.getLogger(__name__)

_DESCRIPTION = """Speech and a subject in, a finished video out: upload a recording, hand in a job, follow its events,
fetch its master. Every error has one form: its `code` keeps its meaning, `retry` says whether asking again can help."""


_FAMILIES: Final = (
    health_routes,
    error_routes,
    upload_routes,
    job_routes,
    batch_routes,
    event_routes,
    take_routes,
    master_routes,
    watch_routes,
    metrics_routes,
    key_routes,
    own_key_routes,
    webhook_routes,
)

_OF_API: Final = frozenset({"/v1", "/openapi.json", "/metrics"})

MakePage = Callable[[ApiContext], ASGIApp]


class _WithPage:
    """The API at its own addresses, the page at all others."""

    def __init__(self, api: ASGIApp, page: ASGIApp) -> None:
        self._api, self._page = api, page

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        path = scope.get("path", "")
        is_api = scope["type"] != "http" or path in _OF_API or path.startswith("/v1/")
        await (self._api if is_api else self._page)(scope, receive, send)


def make_app(context: ApiContext, make_page: MakePage | None = None) -> ASGIApp:
    """The API of one process, and the page beside it where one is given; the journal is followed while it runs."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await context.followed.open()
        async with WebhookSender(context.webhooks, context.receivers, clock=context.clock) as sender:
            outbox = WebhookOutbox(
                context.journal,
                followed=context.followed,
                files=context.files,
                sender=sender,
                terms=context.webhooks,
            )
            following = asyncio.create_task(context.followed.follow())
            sending = asyncio.create_task(outbox.run())
            for task in (following, sending):
                task.add_done_callback(_tell_of_end)
            try:
                yield
            finally:
                outbox.close()
                await asyncio.gather(sending, return_exceptions=True)
                following.cancel()
                await asyncio.gather(following, return_exceptions=True)

    app = FastAPI(
        title="MODA Farm",
        version=engine_version(),
        description=_DESCRIPTION,
        lifespan=lifespan,
        # Their pages load scripts from elsewhere.
        docs_url=None,
        redoc_url=None,
    )
    app.state.context = context
    app.state.routes = [route for family in _FAMILIES for route in family.router.routes]
    handle_errors(app)
    for family in _FAMILIES:
        app.include_router(family.router)
    app.openapi = lambda: _openapi(app)  # type: ignore[method-assign]
    answering = app if make_page is None else _WithPage(app, make_page(context))
    return CountedRequests(BoundedBodies(answering, limits=context.limits), context.requests)


def _tell_of_end(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and task.exception() is not None:
        logger.error("a task of the API ended in a way that nobody foresaw", exc_info=task.exception())


def _openapi(app: FastAPI) -> dict[str, Any]:
    if app.openapi_schema is None:
        schema = get_openapi(
            title=app.title, version=app.version, description=app.description, routes=app.routes
        )
        # A job's body is read by our own parser, which tells every mistake; its parts are named here.
        parts = RenderJob.model_json_schema(ref_template="#/components/schemas/{model}").pop("$defs")
        form = ErrorAnswer.model_json_schema(ref_template="#/components/schemas/{model}")
        schema["components"]["schemas"] |= parts | form.pop("$defs") | {"ErrorAnswer": form}
        app.openapi_schema = schema
    return app.openapi_schema
