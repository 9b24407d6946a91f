"""/v1/events and /v1/jobs/{job}/events: what happens, as it happens, as server-sent events out of the journal.

An event's id is the number of its entry in the journal. Whoever comes back with the last id that it has seen
(`Last-Event-ID`) gets everything after it, once, from this process or another, before or after any restart.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Annotated, Final

from anyio import to_thread
from fastapi import APIRouter, Depends, Header, Query
from fastapi.sse import EventSourceResponse, ServerSentEvent

from farm.api.access import Credentials, Reader
from farm.api.context import ApiContext, Context
from farm.api.following import Happened
from farm.api.problems import BadRequest, documented
from farm.api.public_events import public_event
from farm.api.studio_jobs import StudioJobs
from farm.ledger import LedgerJob
from jobs.access import ApiKey, KeyState

router = APIRouter(tags=["events"])

_LONGEST_WAIT_S: Final = 5.0
"""Between two looks at what may have ended meanwhile: the key, or the server."""

LastEventId = Annotated[
    str | None,
    Header(
        alias="Last-Event-ID", pattern=r"^[0-9]{1,18}$", description="The id of the last event that was seen."
    ),
]
After = Annotated[
    int | None,
    Query(
        ge=0,
        le=10**18,
        description="The same for whoever cannot set a header; 0 begins with the first event.",
    ),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class EventStream:
    """What one stream tells.

    Attributes:
        after: Sequence of the entry after which it begins.
        job: The one job that it is about; None: all of the studio's.
        token: The key as it was sent, to be looked up again.
    """

    context: ApiContext
    key: ApiKey
    token: str
    after: int
    job: str | None = None

    async def events(self) -> AsyncIterator[ServerSentEvent]:
        """Everything that happens, until the key ends or the server does.

        Raises:
            JournalError: The journal cannot be read; whoever comes back misses nothing.
        """
        followed, seen, known_keys = self.context.followed, self.after, self.context.followed.key_changes
        # So that whoever is cut off before the first event comes back to this place.
        yield ServerSentEvent(id=str(seen), comment="begin")
        while not followed.is_closing:
            page, seen = await followed.since(seen)
            for happened in page:
                if self._is_wanted(happened):
                    told = public_event(happened, studio=self.key.studio, files=self.context.files)
                    yield ServerSentEvent(id=str(happened.sequence), data=told)
            if not page:
                await followed.news(after=seen, key_changes=known_keys, within_s=_LONGEST_WAIT_S)
            if not await self._may_go_on(known_keys):
                return
            known_keys = followed.key_changes

    def _is_wanted(self, happened: Happened) -> bool:
        if self.job is not None and happened.job != self.job:
            return False
        job = self.context.followed.jobs.get(happened.job)
        return job is not None and job.studio == self.key.studio

    async def _may_go_on(self, known_keys: int) -> bool:
        if self.context.followed.key_changes == known_keys:
            return self.key.state(now=self.context.clock()) is KeyState.ACTIVE
        key = await to_thread.run_sync(self.context.journal.keys.find, self.token)
        return key is not None and key.state(now=self.context.clock()) is KeyState.ACTIVE


async def _of_studio(
    context: Context,
    key: Reader,
    credentials: Credentials,
    last_event_id: LastEventId = None,
    after: After = None,
) -> EventStream:
    await context.followed.refresh()
    start = _start(last_event_id, after, otherwise=context.followed.sequence, end=context.followed.sequence)
    assert credentials is not None
    return EventStream(context=context, key=key, token=credentials.credentials, after=start)


async def _of_job(
    job: str,
    context: Context,
    key: Reader,
    credentials: Credentials,
    last_event_id: LastEventId = None,
    after: After = None,
) -> EventStream:
    known = await StudioJobs(context, key.studio).known(job)
    end = context.followed.sequence
    begin = known.received - 1 if isinstance(known, LedgerJob) else end
    # Nothing of it happened before it came.
    start = max(begin, _start(last_event_id, after, otherwise=begin, end=end))
    assert credentials is not None
    return EventStream(context=context, key=key, token=credentials.credentials, after=start, job=job)


@router.get("/v1/events", response_class=EventSourceResponse, responses=documented(409))
async def events(stream: Annotated[EventStream, Depends(_of_studio)]) -> AsyncIterator[ServerSentEvent]:
    """What happens to the studio's jobs from now on, or after `Last-Event-ID`."""
    async for event in stream.events():
        yield event


@router.get("/v1/jobs/{job}/events", response_class=EventSourceResponse, responses=documented(404, 409))
async def job_events(stream: Annotated[EventStream, Depends(_of_job)]) -> AsyncIterator[ServerSentEvent]:
    """What happened to a job from its beginning, or after `Last-Event-ID`, and goes on happening."""
    async for event in stream.events():
        yield event


def _start(last_event_id: str | None, after: int | None, *, otherwise: int, end: int) -> int:
    """Where a stream begins.

    Raises:
        BadRequest: After something that has not happened: it would wait for ever.
    """
    start = int(last_event_id) if last_event_id is not None else otherwise if after is None else after
    if start > end:
        raise BadRequest(
            f"the last event is {end}",
            where="Last-Event-ID",
            code="event_ahead",
            hint="leave it out: this journal is another, or an older copy",
        )
    return start
