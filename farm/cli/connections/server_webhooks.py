"""The receivers of a studio by its server."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import moda_client
from farm.cli.connections.server_errors import told
from jobs.webhooks import Delivery, DeliveryState, MessageType, Webhook, checked_url
from moda_client import Client


class ServerWebhooks:
    """See `WebhookAccess`."""

    def __init__(self, client: Client, *, address: str) -> None:
        self._client = client
        self._address = address

    def add(
        self, url: str, *, label: str, types: Sequence[MessageType], studio: str | None
    ) -> tuple[str, Webhook]:
        """See `WebhookAccess`; the key says whose it is."""
        with told(self._address):
            secret, made = self._client.add_webhook(
                checked_url(url), label=label, types=[each.value for each in types]
            )
        return secret, _webhook(made)

    def all(self) -> Sequence[Webhook]:
        """See `WebhookAccess`."""
        with told(self._address):
            return [_webhook(each) for each in self._client.webhooks()]

    def remove(self, webhook_id: str) -> Webhook:
        """See `WebhookAccess`."""
        with told(self._address):
            return _webhook(self._client.remove_webhook(webhook_id))

    def rotate(self, webhook_id: str, *, overlap_s: int) -> str:
        """See `WebhookAccess`."""
        with told(self._address):
            return self._client.rotate_secret(webhook_id, overlap_s=overlap_s)

    def deliveries(self, webhook_id: str, *, limit: int, state: DeliveryState | None) -> Sequence[Delivery]:
        """See `WebhookAccess`."""
        with told(self._address):
            found = self._client.deliveries(webhook_id, limit=limit, state=state and state.value)
        return [_delivery(each, webhook_id) for each in found]

    def send_again(self, webhook_id: str, number: int) -> Delivery:
        """See `WebhookAccess`."""
        with told(self._address):
            return _delivery(self._client.resend(webhook_id, number), webhook_id)


def _webhook(told_of: moda_client.Webhook) -> Webhook:
    return Webhook(
        webhook_id=told_of.webhook_id,
        studio=told_of.studio,
        url=told_of.url,
        label=told_of.label,
        types=frozenset(MessageType(each) for each in told_of.types),
        after=told_of.after,
        created_at=told_of.created_at.timestamp(),
        ended_at=_seconds(told_of.ended_at),
        ended_why=told_of.ended_why,
    )


def _delivery(told_of: moda_client.Delivery, webhook_id: str) -> Delivery:
    return Delivery(
        number=told_of.number,
        webhook_id=webhook_id,
        job=told_of.job,
        sequence=told_of.sequence,
        message=MessageType(told_of.type),
        state=DeliveryState(told_of.state),
        tries=told_of.tries,
        next_at=_seconds(told_of.next_at),
        status=told_of.status,
        note=told_of.note,
        changed_at=told_of.changed_at.timestamp(),
    )


def _seconds(moment: datetime | None) -> float | None:
    return None if moment is None else moment.timestamp()
