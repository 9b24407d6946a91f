"""What commands ask of a shared farm's receivers, and the way by its journal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from infra.journal import Journal
from jobs.plan import DEFAULT_STUDIO
from jobs.webhooks import Delivery, DeliveryState, MessageType, Webhook, checked_url


class WebhookAccess(Protocol):
    """Receivers. All of it raises `WebhookRefused` for what is not there, `FarmError` where nothing can be asked."""

    def add(
        self, url: str, *, label: str, types: Sequence[MessageType], studio: str | None
    ) -> tuple[str, Webhook]:
        """Add a receiver; returns its secret, and what is known of it."""
        ...

    def all(self) -> Sequence[Webhook]:
        """Receivers, oldest first."""
        ...

    def remove(self, webhook_id: str) -> Webhook:
        """Remove a receiver."""
        ...

    def rotate(self, webhook_id: str, *, overlap_s: int) -> str:
        """Another secret; those before it sign as well for so long."""
        ...

    def deliveries(self, webhook_id: str, *, limit: int, state: DeliveryState | None) -> Sequence[Delivery]:
        """Messages to it, the newest first."""
        ...

    def send_again(self, webhook_id: str, number: int) -> Delivery:
        """Have a message sent once more."""
        ...


class JournalWebhooks:
    """See `WebhookAccess`; whether an address may be told is looked at by whoever sends."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def add(
        self, url: str, *, label: str, types: Sequence[MessageType], studio: str | None
    ) -> tuple[str, Webhook]:
        """See `WebhookAccess`."""
        return self._journal.webhooks.add(
            studio=studio or DEFAULT_STUDIO, url=checked_url(url), label=label, types=types
        )

    def all(self) -> Sequence[Webhook]:
        """See `WebhookAccess`; of every studio."""
        return self._journal.webhooks.all()

    def remove(self, webhook_id: str) -> Webhook:
        """See `WebhookAccess`."""
        return self._journal.webhooks.remove(webhook_id)

    def rotate(self, webhook_id: str, *, overlap_s: int) -> str:
        """See `WebhookAccess`."""
        return self._journal.webhooks.rotate(webhook_id, overlap_s=overlap_s)

    def deliveries(self, webhook_id: str, *, limit: int, state: DeliveryState | None) -> Sequence[Delivery]:
        """See `WebhookAccess`."""
        self._journal.webhooks.get(webhook_id)
        return self._journal.outbox.deliveries(webhook_id, limit=limit, state=state)

    def send_again(self, webhook_id: str, number: int) -> Delivery:
        """See `WebhookAccess`."""
        self._journal.webhooks.get(webhook_id)
        return self._journal.outbox.send_again(webhook_id, number)
