"""What every address works with."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from fastapi import Depends, Request
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter, RateLimiter

from farm.api.following import FollowedJournal
from farm.api.receivers import ReceiverRules
from farm.api.request_metrics import RequestMetrics
from farm.api.studio_files import StudioFiles
from farm.api.watched_files import WatchedFiles
from farm.api.webhook_sending import WebhookTerms
from infra.journal.base import Journal


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiLimits:
    """What one request may take.

    Attributes:
        body_bytes: Of a JSON or YAML body.
        upload_bytes: Of an upload.
        silence_s: A body of which nothing comes for so long is given up.
        answer_s: How long to wait for the farm's answer before saying that the request is kept.
        absent_s: The farm is taken for gone once nothing was heard of it for so long.
        requests_per_minute: Of a studio, in each process; more are refused.
    """

    body_bytes: int = 1_000_000
    upload_bytes: int = 1_000_000_000
    silence_s: float = 30.0
    answer_s: float = 5.0
    absent_s: float = 15.0
    requests_per_minute: int = 1200


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiContext:
    """One process of the API.

    Attributes:
        journal: Open; closed by whoever opened it.
        followed: What it tells.
        files: Of the studios.
        rates: How many requests came lately.
        requests: How many were answered, and how fast.
        receivers: Where messages to a studio's own receivers may go.
        webhooks: How they are sent.
        watched: What of takes can be watched.
        store: Address of the store that the farm commits to.
        cache: Where tracebacks are kept, and uploads until they are whole.
        clock: Seconds since 1970.
    """

    journal: Journal
    followed: FollowedJournal
    files: StudioFiles
    watched: WatchedFiles
    cache: Path
    store: str = ""
    limits: ApiLimits = ApiLimits()
    receivers: ReceiverRules = field(default_factory=ReceiverRules)
    webhooks: WebhookTerms = field(default_factory=WebhookTerms)
    rates: RateLimiter = field(default_factory=lambda: MovingWindowRateLimiter(MemoryStorage()))
    requests: RequestMetrics = field(default_factory=RequestMetrics)
    clock: Callable[[], float] = time.time


def context_of(request: Request) -> ApiContext:
    """The context of the process that answers."""
    context = request.app.state.context
    assert isinstance(context, ApiContext)
    return context


Context = Annotated[ApiContext, Depends(context_of)]
