"""The jobs of one studio: found, listed, and asked about; those of another are as unknown as those of nobody."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from anyio import to_thread

from farm.api.context import ApiContext
from farm.api.job_answers import STATES, WAITING, JobAnswer, JobPage, JobShower, Presence
from farm.api.job_list import JobFilter, cursor_after, jobs_after
from farm.asking import error_from_record, future_name, number_of, put_request, waiting_submits
from farm.ledger import LedgerJob
from farm.scheduling.messages import unknown_job
from jobs.errors import FarmError, TokenTaken
from jobs.farm_requests import AnyRequest, RequestAnswer, SubmitRequest, request_from_json
from jobs.standings import standings_from_json

_LOOK_S: Final = 0.05


@dataclass(frozen=True, slots=True)
class StudioJobs:
    """What one request sees and asks of its studio's jobs."""

    context: ApiContext
    studio: str

    async def presence(self) -> Presence:
        """Whether a farm serves, and what it says of the jobs that wait.

        Raises:
            JournalError: The journal cannot be read.
        """
        beat = await to_thread.run_sync(self.context.journal.heartbeat)
        if beat is None:
            return Presence(is_served=False, since=None, standings=standings_from_json("{}"))
        is_served = abs(self.context.clock() - beat.at) < self.context.limits.absent_s
        since = datetime.fromtimestamp(beat.at, UTC)
        return Presence(
            is_served=is_served, since=since, standings=standings_from_json(beat.body), epoch=beat.epoch
        )

    async def shower(self) -> JobShower:
        """Makes answers of jobs, as things stand."""
        return JobShower(presence=await self.presence(), files=self.context.files)

    async def waiting(self) -> dict[str, SubmitRequest]:
        """The studio's jobs that no farm has taken in yet, oldest first."""
        every = await to_thread.run_sync(waiting_submits, self.context.journal)
        return {name: request for name, request in every.items() if request.studio == self.studio}

    async def one(self, name: str) -> JobAnswer:
        """The job of that name.

        Raises:
            FarmError: The studio has no such job, or the farm did not take it in, and why.
        """
        known = await self.known(name)
        shower = await self.shower()
        if isinstance(known, SubmitRequest):
            return shower.waiting(name, known)
        return shower.job(known, with_document=True)

    async def known(self, name: str) -> LedgerJob | SubmitRequest:
        """The job, or where no farm has taken it in yet, what was asked. Raises as `one`."""
        # First: what a farm takes in between the two looks is found by the second.
        waiting = await self.waiting()
        await self.context.followed.refresh()
        job = self.context.followed.jobs.get(name)
        if job is not None and job.studio == self.studio:
            return job
        if job is None and name in waiting:
            return waiting[name]
        raise await self.refusal(name) or unknown_job(name[:100])

    async def page(self, wanted: JobFilter, *, limit: int, cursor: str | None) -> JobPage:
        """Some of the jobs, in the wanted order; those that no farm has taken in yet come first.

        Raises:
            BadRequest: The cursor is none of this list's.
        """
        is_first = cursor is None and (wanted.states is None or WAITING in wanted.states)
        waiting = await self.waiting() if is_first else {}
        await self.context.followed.refresh()
        found = jobs_after(self.context.followed.jobs_of(self.studio), wanted, cursor=cursor, most=limit + 1)
        shower = await self.shower()
        unseen = [
            shower.waiting(name, request)
            for name, request in reversed(waiting.items())
            if name not in self.context.followed.jobs and wanted.takes_unseen(name, request.document)
        ]
        last = found[limit - 1] if len(found) > limit else None
        return JobPage(
            jobs=unseen + [shower.job(job, with_document=False) for job in found[:limit]],
            next_cursor=None if last is None else cursor_after(last, wanted.order),
        )

    async def counts(self) -> dict[str, int]:
        """How many of the studio's jobs are in each state; states without one are left out."""
        waiting = await self.waiting()
        await self.context.followed.refresh()
        known = self.context.followed.counts.of_studio(self.studio)
        counts = {state.value: count for state, count in known.items()}
        counts[WAITING] = sum(name not in self.context.followed.jobs for name in waiting)
        return {state: counts[state] for state in STATES if counts.get(state)}

    async def ask(self, request: AnyRequest, *, token: str) -> tuple[int, RequestAnswer | None]:
        """Ask the farm; its answer is None where none came in time: the request is kept.

        Raises:
            TokenTaken: The token belongs to another request.
            FarmError: The farm refuses, or the journal cannot be used.
        """
        journal = self.context.journal
        try:
            number = await to_thread.run_sync(lambda: put_request(journal, request, token=token))
        except TokenTaken:
            raise TokenTaken(
                "this key belongs to another request",
                where="Idempotency-Key",
                hint="choose another for this one",
            ) from None
        until = time.monotonic() + self.context.limits.answer_s
        while (body := await to_thread.run_sync(journal.answer_to, number)) is None:
            if time.monotonic() >= until:
                return number, None
            await asyncio.sleep(_LOOK_S)
        answer = RequestAnswer.model_validate_json(body)
        if answer.error is not None:
            raise self._public(error_from_record(answer.error))
        return number, answer

    async def refusal(self, name: str) -> FarmError | None:
        """Why the farm did not take in a job that this studio handed in."""
        number = number_of(name)
        if number is None:
            return None
        asked = await to_thread.run_sync(self.context.journal.request, number)
        if asked is None:
            return None
        try:
            request = request_from_json(asked)
        except ValueError:
            return None  # of another version
        if not isinstance(request, SubmitRequest) or request.studio != self.studio:
            return None
        if future_name(request, number) != name:
            return None
        body = await to_thread.run_sync(self.context.journal.answer_to, number)
        error = None if body is None else RequestAnswer.model_validate_json(body).error
        return None if error is None else self._public(error_from_record(error))

    def _public(self, error: FarmError) -> FarmError:
        for field in ("message", "where", "hint"):
            setattr(error, field, self.context.files.public_text(getattr(error, field), self.studio))
        return error
