"""What a journal promises: an append-only list of events, one writer at a time, and a box for requests.

A journal knows nothing of what its entries mean; they are JSON texts. Whoever writes begins an epoch first. A writer
that was thought dead and comes back writes with an old epoch and is refused: nothing of it is ever kept.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from infra.journal.batches import BatchTable
    from infra.journal.keys import KeyTable
    from infra.journal.outbox import OutboxTable
    from infra.journal.page_sessions import PageSessionTable
    from infra.journal.webhooks import WebhookTable


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One event.

    Attributes:
        sequence: Place in the journal, from 1, without gaps.
        epoch: The run of the farm that wrote it.
        at: Seconds since 1970, by the writer's clock.
        body: JSON text.
    """

    sequence: int
    epoch: int
    at: float
    body: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A request that waits for its answer."""

    request: int
    body: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Heartbeat:
    """When the writer was last there.

    Attributes:
        epoch: Its run of the farm.
        at: Seconds since 1970, by its clock.
        body: JSON text: what it had to say.
    """

    epoch: int
    at: float
    body: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """The fold of all entries up to `sequence`."""

    sequence: int
    body: str


class Journal(Protocol):
    """Events, epochs, snapshots and requests of one farm. Safe for use by several processes."""

    @property
    def address(self) -> str:
        """Where it is, without a password."""
        ...

    @property
    def keys(self) -> KeyTable:
        """The keys of the API, which lie beside it: whoever reaches one reaches the other."""
        ...

    @property
    def page_sessions(self) -> PageSessionTable:
        """Who is logged in to the page, beside the keys that opened it."""
        ...

    @property
    def webhooks(self) -> WebhookTable:
        """Receivers of the API's messages, beside it."""
        ...

    @property
    def outbox(self) -> OutboxTable:
        """Their messages, beside it."""
        ...

    @property
    def batches(self) -> BatchTable:
        """Jobs that were handed in together, beside it."""
        ...

    def begin_epoch(self, owner: str) -> int:
        """Become the writer: a number greater than all before. `owner` says who, for people.

        Raises:
            JournalError: The journal cannot be written.
        """
        ...

    def append(
        self,
        epoch: int,
        bodies: Sequence[str],
        *,
        answers: Sequence[tuple[int, str]] = (),
        at: float | None = None,
    ) -> int:
        """Write events, and answers to requests, in one transaction; durable when this returns.

        Args:
            epoch: The writer's.
            bodies: JSON texts, in order; may be empty.
            answers: Request and JSON text. A request that has an answer already keeps it.
            at: When it happened, in seconds since 1970; now, where it is not given.

        Returns:
            Sequence of the last entry of the journal.

        Raises:
            JournalFenced: Another writer began a later epoch.
            JournalError: The journal cannot be written; nothing of this was.
        """
        ...

    def read(self, *, after: int = 0) -> Iterator[Entry]:
        """Entries with a greater sequence, in order."""
        ...

    def check(self) -> int:
        """Prove that the journal is whole: the database's own check, no gap, every entry's chained hash.

        Returns:
            Number of entries.

        Raises:
            JournalCorrupt: It is not; the error names the first entry that is wrong.
        """
        ...

    def keep_snapshot(self, epoch: int, snapshot: Snapshot) -> None:
        """Keep a snapshot; older ones may go. Raises as `append`."""
        ...

    def latest_snapshot(self) -> Snapshot | None:
        """The newest one; None where there is none, or where its own hash does not fit it."""
        ...

    def beat(self, epoch: int, body: str | None = None) -> None:
        """Say that the writer is there, and what it has to say; without a body, the one before stays.

        Raises as `append`.
        """
        ...

    def heartbeat(self) -> Heartbeat | None:
        """The last one; None where no writer ever gave any."""
        ...

    def epoch_began_at(self, epoch: int) -> float | None:
        """When a run of the farm began, in seconds since 1970; None where there was none of that number."""
        ...

    def ask(self, body: str, *, token: str) -> int:
        """Put a request in the box, for the writer to answer.

        Args:
            body: JSON text.
            token: Chosen by who asks. The same token with the same body is the same request for ever, so that asking
                again after a lost answer is safe.

        Raises:
            TokenTaken: The token was used with another body.
            JournalError: The journal cannot be written.
        """
        ...

    def asked(self) -> Sequence[Asked]:
        """Requests without an answer, oldest first."""
        ...

    def unanswered(self) -> int:
        """How many requests have no answer."""
        ...

    def request(self, request: int) -> str | None:
        """What was asked, answered or not; None where nobody asked under that number."""
        ...

    def answer_to(self, request: int) -> str | None:
        """The answer, once there is one."""
        ...

    def close(self) -> None:
        """Let go of the database; may be called twice."""
        ...
