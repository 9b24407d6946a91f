"""The journal as one process follows it: where every job stands, whose it is, and what happened lately.

Used in one event loop alone, so that nothing of it needs a lock; only the database is asked in threads.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from typing import Final

from anyio import to_thread

from farm.ledger import Ledger, LedgerJob
from farm.ledger.counts import LedgerCounts
from farm.ledger.loading import catch_up, event_of, kept_ledger, take_entry
from farm.ledger.sentences import job_of
from infra.journal.base import Entry, Journal
from jobs.errors import JournalError
from jobs.journal_events import AnyJournalEvent

logger = logging.getLogger(__name__)

_PAGE: Final = 500
_RECENT: Final = 20_000
"""Events kept at hand, at least: whoever was away for longer than these took is served from the database."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Happened:
    """One event of a job.

    Attributes:
        sequence: Of its entry in the journal.
        at: Seconds since 1970.
    """

    sequence: int
    at: float
    job: str
    event: AnyJournalEvent


class FollowedJournal:
    """The fold of the journal, never older than the last `refresh`."""

    def __init__(self, journal: Journal, *, look_s: float = 0.2) -> None:
        """Nothing is read before `open`.

        Args:
            journal: Open.
            look_s: Between two looks for what is new, where somebody waits for it.
        """
        self._journal = journal
        self._look_s = look_s
        self._ledger = Ledger()
        self._by_studio: dict[str, list[LedgerJob]] = {}
        self._counts = LedgerCounts()
        self._recent: list[Happened] = []
        self._turn = asyncio.Lock()
        self._news = asyncio.Event()
        self.key_changes = 0
        self.is_closing = False

    @property
    def sequence(self) -> int:
        """Sequence of the last entry that is known."""
        return self._ledger.sequence

    @property
    def jobs(self) -> Mapping[str, LedgerJob]:
        """Every job, to look at."""
        return self._ledger.jobs

    def jobs_of(self, studio: str) -> Sequence[LedgerJob]:
        """The studio's jobs in the order in which they came, to look at."""
        return self._by_studio.get(studio, ())

    @property
    def counts(self) -> LedgerCounts:
        """How many jobs and segments are in each state, to look at."""
        return self._counts

    async def open(self) -> None:
        """Read what there is.

        Raises:
            JournalError: The journal cannot be read.
        """

        def load() -> tuple[Ledger, LedgerCounts]:
            ledger = kept_ledger(self._journal)
            catch_up(ledger, self._journal)
            return ledger, LedgerCounts.of(ledger)

        self._ledger, self._counts = await to_thread.run_sync(load)
        for job in self._ledger.jobs.values():
            self._by_studio.setdefault(job.studio, []).append(job)

    async def refresh(self) -> None:
        """Take in whatever is in the journal by now.

        Raises:
            JournalError: The journal cannot be read.
        """
        async with self._turn:
            before = (self.sequence, self.key_changes)
            page = await self._page(after=self.sequence)
            while page:
                for entry in page:
                    self._take(entry)
                page = await self._page(after=self.sequence) if len(page) == _PAGE else []
            self.key_changes = await to_thread.run_sync(self._journal.keys.last_change)
            if before != (self.sequence, self.key_changes):
                self._wake()

    async def follow(self) -> None:
        """Look for news until cancelled; while the database is away, whoever asks is told, and streams wait."""
        while True:
            try:
                await self.refresh()
            except JournalError as error:
                logger.warning("%s", error.line())
            await asyncio.sleep(self._look_s)

    async def news(self, *, after: int, key_changes: int, within_s: float) -> None:
        """Wait until there is a later entry or another key, or the time is up."""
        if self.sequence > after or self.key_changes != key_changes or self.is_closing:
            return
        with suppress(TimeoutError):
            await asyncio.wait_for(self._news.wait(), within_s)

    def close(self) -> None:
        """Nobody shall wait any longer."""
        self.is_closing = True
        self._wake()

    async def since(self, after: int) -> tuple[list[Happened], int]:
        """What happened after an entry, and up to which entry that is; of much only the first part.

        Raises:
            JournalError: The journal cannot be read.
        """
        first = self._recent[0].sequence if self._recent else self.sequence + 1
        if after + 1 >= first:
            # Entries have no gaps, so the place of one is known.
            events = self._recent[after + 1 - first : after + 1 - first + _PAGE]
            return events, events[-1].sequence if events else max(after, self.sequence)
        known = self.sequence
        page = [entry for entry in await self._page(after=after) if entry.sequence <= known]
        return [self._happened(entry) for entry in page], page[-1].sequence if page else after

    async def _page(self, *, after: int) -> list[Entry]:
        return await to_thread.run_sync(lambda: list(islice(self._journal.read(after=after), _PAGE)))

    def _take(self, entry: Entry) -> None:
        happened = self._happened(entry)
        is_new = happened.job not in self._ledger.jobs
        with self._counts.counting(self._ledger, happened.event):
            take_entry(self._ledger, entry, where=self._journal.address)
        self._recent.append(happened)
        if len(self._recent) > 2 * _RECENT:
            del self._recent[:_RECENT]
        if is_new:
            job = self._ledger.jobs[happened.job]
            self._by_studio.setdefault(job.studio, []).append(job)

    def _happened(self, entry: Entry) -> Happened:
        event = event_of(entry, where=self._journal.address)
        return Happened(sequence=entry.sequence, at=entry.at, job=job_of(event), event=event)

    def _wake(self) -> None:
        news, self._news = self._news, asyncio.Event()
        news.set()
