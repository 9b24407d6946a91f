"""What requests an API process answered, and how fast: by method, address and status, never by who or what."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Histogram, Metric
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_OTHER_METHOD: Final = "other"
_NO_ROUTE: Final = "none"
_CREATED: Final = "_created"


class RequestMetrics:
    """Counts of one process. Labels hold nothing that a client chooses, so their number is bounded."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "farm_http_requests",
            "Requests that this process answered; route 'none': no address of the farm.",
            ("method", "route", "status"),
            registry=self._registry,
        )
        self._seconds = Histogram(
            "farm_http_request_duration",
            "From a request until its answer began, of this process; streams and downloads go on after it.",
            ("method", "route"),
            unit="seconds",
            registry=self._registry,
        )

    def note(self, *, method: str, route: str, status: int, seconds: float) -> None:
        """One more request was answered."""
        self._requests.labels(method, route, str(status)).inc()
        self._seconds.labels(method, route).observe(seconds)

    def collect(self) -> Iterator[Metric]:
        """What there is, without the times at which counting began: they are as many as the counts."""
        for metric in self._registry.collect():
            metric.samples = [sample for sample in metric.samples if not sample.name.endswith(_CREATED)]
            yield metric


class CountedRequests:
    """ASGI middleware that stands before all others."""

    def __init__(self, app: ASGIApp, metrics: RequestMetrics) -> None:
        self._app, self._metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, and note that."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun, has_begun = time.perf_counter(), False

        def note(status: int) -> None:
            nonlocal has_begun
            has_begun = True
            method = scope["method"] if scope["method"] in _METHODS else _OTHER_METHOD
            seconds = time.perf_counter() - begun
            self._metrics.note(method=method, route=_route_of(scope), status=status, seconds=seconds)

        async def noted(message: Message) -> None:
            if message["type"] == "http.response.start":
                note(message["status"])
            await send(message)

        try:
            await self._app(scope, receive, noted)
        except Exception:
            if not has_begun:
                note(500)  # as the server answers then
            raise


def _route_of(scope: Scope) -> str:
    """The address as the API is written, with `{job}` for a job's name."""
    path = getattr(scope.get("route"), "path", None)
    if path is not None:
        return str(path)
    # Of an address without a variable part, Starlette's own routes leave no more than who answers it.
    return str(scope["path"]) if "endpoint" in scope and not scope.get("path_params") else _NO_ROUTE
