"""/v1/health and /v1/ready: for whoever starts and watches processes; they need no key and tell of no job."""

from __future__ import annotations

from datetime import datetime

from fastapi import APIRouter, Response
from pydantic import BaseModel

from farm.api.context import Context
from farm.api.problems import ErrorAnswer
from farm.api.studio_jobs import StudioJobs
from jobs.version import engine_version

router = APIRouter(prefix="/v1", tags=["health"])


class HealthAnswer(BaseModel):
    """The process answers."""

    version: str


class ReadyAnswer(BaseModel):
    """Whether jobs can be handed in, and whether a farm serves them.

    Attributes:
        is_served: Something was heard of the farm lately.
        heard_at: When it was heard of last.
        replicas: Renderers that work for it.
    """

    is_served: bool
    heard_at: datetime | None
    replicas: int


@router.get("/health")
async def health() -> HealthAnswer:
    """This process answers, whatever else does."""
    return HealthAnswer(version=engine_version())


@router.get(
    "/ready",
    responses={
        503: {"model": ReadyAnswer | ErrorAnswer, "description": "No farm serves, or the journal is away"}
    },
)
async def ready(context: Context, response: Response) -> ReadyAnswer:
    """The journal answers, and a farm serves it. Without one, requests are still taken and kept."""
    presence = await StudioJobs(context, "").presence()
    response.status_code = 200 if presence.is_served else 503
    return ReadyAnswer(
        is_served=presence.is_served,
        heard_at=presence.since,
        replicas=presence.standings.replicas if presence.is_served else 0,
    )
