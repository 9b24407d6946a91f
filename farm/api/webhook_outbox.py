"""The journal's changes on their way to receivers: into the outbox once, out of it until each is taken.

Any number of processes do this beside one another; what one that is killed had begun to send, another sends again.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from anyio import to_thread

from farm.api.following import FollowedJournal, Happened
from farm.api.public_events import message_type, public_event
from farm.api.studio_files import StudioFiles
from farm.api.webhook_sending import WebhookSender, WebhookTerms
from infra.journal.base import Journal
from infra.journal.outbox import Claimed, DeliveryOutcome, Message
from jobs.errors import JournalError
from jobs.webhooks import DeliveryState, Webhook

logger = logging.getLogger(__name__)

_ENTRY_GONE: Final = "the journal no longer has what it tells"


class WebhookOutbox:
    """Puts and sends while its API runs."""

    def __init__(
        self,
        journal: Journal,
        *,
        followed: FollowedJournal,
        files: StudioFiles,
        sender: WebhookSender,
        terms: WebhookTerms,
    ) -> None:
        self._journal = journal
        self._followed = followed
        self._files = files
        self._sender = sender
        self._terms = terms
        self._known = -1
        self._is_over = asyncio.Event()
        self._sending: dict[asyncio.Task[None], Claimed] = {}

    async def run(self) -> None:
        """Go on until `close`; while the database is away, nothing is lost."""
        while not self._is_over.is_set():
            try:
                await self._put()
                await self._send_due()
            except JournalError as error:
                logger.warning("webhooks wait: %s", error.line())
            with suppress(TimeoutError):
                await asyncio.wait_for(self._is_over.wait(), self._terms.look_s)
        await self._stop()

    def close(self) -> None:
        """Begin nothing more. Not by cancelling: what a thread claims just then would be known to nobody."""
        self._is_over.set()

    async def _stop(self) -> None:
        """What is on its way is another process's to send, at once: whether it was taken is not known."""
        begun = dict(self._sending)
        for task in begun:
            task.cancel()
        await asyncio.gather(*begun, return_exceptions=True)
        unsettled = [claimed.delivery for claimed in begun.values()]
        try:
            await to_thread.run_sync(self._journal.outbox.release, unsettled)
        except JournalError as error:
            logger.warning("messages are not let go of: %s", error.line())

    async def _put(self) -> None:
        end = self._followed.sequence
        if end == self._known:
            return
        # After that look: one that is added later is told nothing up to here.
        webhooks = await self._active()
        if webhooks:
            put = await to_thread.run_sync(self._journal.outbox.put_up_to)
            # Before its own beginning a receiver is told nothing.
            seen = max(put, min(webhook.after for webhook in webhooks))
            while seen < end:
                page, reached = await self._followed.since(seen)
                messages = self._messages(page, await self._active())
                if not await self._put_page(messages, after=put, up_to=reached):
                    return  # somebody else did; the next look sees how far
                put = seen = reached
        self._known = end

    async def _active(self) -> Sequence[Webhook]:
        every = await to_thread.run_sync(self._journal.webhooks.all)
        return [webhook for webhook in every if webhook.ended_at is None]

    async def _put_page(self, messages: Sequence[Message], *, after: int, up_to: int) -> bool:
        return await to_thread.run_sync(lambda: self._journal.outbox.put(messages, after=after, up_to=up_to))

    def _messages(self, page: Sequence[Happened], webhooks: Sequence[Webhook]) -> list[Message]:
        messages: list[Message] = []
        for happened in page:
            kind = message_type(happened.event)
            job = self._followed.jobs.get(happened.job)
            if kind is None or job is None:
                continue
            messages += [
                Message(
                    webhook_id=webhook.webhook_id,
                    job=happened.job,
                    sequence=happened.sequence,
                    message=kind,
                )
                for webhook in webhooks
                if webhook.studio == job.studio and webhook.after < happened.sequence and webhook.wants(kind)
            ]
        return messages

    async def _send_due(self) -> None:
        busy = Counter(claimed.webhook.webhook_id for claimed in self._sending.values())
        claimed = await to_thread.run_sync(
            lambda: self._journal.outbox.claim(
                busy=busy, most_each=self._terms.most_each, hold_s=self._terms.hold_s
            )
        )
        for each in claimed:
            task = asyncio.create_task(self._send(each))
            self._sending[task] = each
            task.add_done_callback(self._sending.pop)

    async def _send(self, claimed: Claimed) -> None:
        try:
            outcome = await self._outcome(claimed)
            await to_thread.run_sync(self._journal.outbox.settle, claimed.delivery, outcome)
        except JournalError as error:
            # It is claimed for a while, and sent once more then: twice rather than not at all.
            logger.warning("what came of a message is not kept: %s", error.line())

    async def _outcome(self, claimed: Claimed) -> DeliveryOutcome:
        sequence = claimed.delivery.sequence
        if sequence > self._followed.sequence:
            await self._followed.refresh()  # another process put it there, and saw more
        page, _ = await self._followed.since(sequence - 1)
        if not page or page[0].sequence != sequence:
            return DeliveryOutcome(state=DeliveryState.GIVEN_UP, status=None, note=_ENTRY_GONE)
        told = public_event(page[0], studio=claimed.webhook.studio, files=self._files)
        return await self._sender.send(claimed, told)
