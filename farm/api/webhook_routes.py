"""/v1/webhooks: a studio's receivers, which are told what happens to its jobs, and what became of each message."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from anyio import to_thread
from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict, Field

from farm.api.access import Reader, Writer
from farm.api.context import Context
from farm.api.problems import documented
from jobs.webhooks import (
    LONGEST_URL,
    Delivery,
    DeliveryState,
    MessageType,
    Webhook,
    checked_url,
    sorted_types,
)

router = APIRouter(prefix="/v1/webhooks", tags=["webhooks"])

_DAY_S = 86_400


class WebhookBody(BaseModel):
    """The receiver that is wanted."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"example": {"url": "https://studio.example/farm"}}
    )

    url: Annotated[str, Field(max_length=LONGEST_URL)]
    label: Annotated[str, Field(max_length=100, pattern=r"^[^\x00-\x1f\x7f]*$")] = ""
    types: Annotated[list[MessageType], Field(max_length=len(MessageType))] = []


class WebhookAnswer(BaseModel):
    """A receiver.

    Attributes:
        types: What it is told; empty for everything.
        after: Id of the last event that it is not told of.
        ended_why: Why it is told nothing any more; empty while it is.
    """

    webhook_id: str
    studio: str
    url: str
    label: str
    types: list[MessageType]
    after: int
    created_at: datetime
    ended_at: datetime | None
    ended_why: str


class NewWebhookAnswer(WebhookAnswer):
    """A new receiver; `secret`, which signs its messages, is shown this once."""

    secret: str


class WebhookList(BaseModel):
    """The studio's receivers, oldest first."""

    webhooks: list[WebhookAnswer]


class RotationBody(BaseModel):
    """For how many seconds the secrets before it sign as well."""

    model_config = ConfigDict(extra="forbid")

    overlap_s: Annotated[int, Field(ge=0, le=30 * _DAY_S)] = _DAY_S


class SecretAnswer(BaseModel):
    """The secret that signs from now on; it is shown this once."""

    webhook_id: str
    secret: str


class DeliveryAnswer(BaseModel):
    """A message to a receiver.

    Attributes:
        sequence: Id of the event that it tells.
        tries: How often it was sent.
        next_at: When it is sent next; missing where it is not, or waits for an earlier one of its job.
        status: Of the receiver's last answer.
        note: What came of the last try.
    """

    number: int
    job: str
    sequence: int
    type: MessageType
    state: DeliveryState
    tries: int
    next_at: datetime | None
    status: int | None
    note: str
    changed_at: datetime


class DeliveryPage(BaseModel):
    """Messages to a receiver, the newest first; `next_before` asks for those after them."""

    deliveries: list[DeliveryAnswer]
    next_before: int | None = None


@router.post("", status_code=201, responses=documented(409))
async def add_webhook(body: WebhookBody, context: Context, key: Writer) -> NewWebhookAnswer:
    """Have a receiver told of everything that happens to the studio's jobs from now on."""
    url = checked_url(body.url)
    await context.receivers.resolve(url)
    secret, webhook = await to_thread.run_sync(
        lambda: context.journal.webhooks.add(studio=key.studio, url=url, label=body.label, types=body.types)
    )
    return NewWebhookAnswer(secret=secret, **_answer(webhook).model_dump())


@router.get("", responses=documented())
async def list_webhooks(context: Context, key: Reader) -> WebhookList:
    """The studio's receivers."""
    found = await to_thread.run_sync(lambda: context.journal.webhooks.all(studio=key.studio))
    return WebhookList(webhooks=[_answer(webhook) for webhook in found])


@router.get("/{webhook_id}", responses=documented(404))
async def get_webhook(webhook_id: str, context: Context, key: Reader) -> WebhookAnswer:
    """One receiver."""
    return _answer(await _known(webhook_id, context, key.studio))


@router.delete("/{webhook_id}", responses=documented(404))
async def remove_webhook(webhook_id: str, context: Context, key: Writer) -> WebhookAnswer:
    """Remove a receiver, with its secrets and messages."""
    table = context.journal.webhooks
    return _answer(await to_thread.run_sync(lambda: table.remove(webhook_id, studio=key.studio)))


@router.post("/{webhook_id}/secret", responses=documented(404))
async def rotate_secret(
    webhook_id: str, context: Context, key: Writer, body: RotationBody | None = None
) -> SecretAnswer:
    """Make another secret; messages are signed with those before it as well for a while."""
    overlap_s = (body or RotationBody()).overlap_s
    table = context.journal.webhooks
    secret = await to_thread.run_sync(
        lambda: table.rotate(webhook_id, overlap_s=overlap_s, studio=key.studio)
    )
    return SecretAnswer(webhook_id=webhook_id, secret=secret)


@router.get("/{webhook_id}/deliveries", responses=documented(404))
async def list_deliveries(
    webhook_id: str,
    context: Context,
    key: Reader,
    state: DeliveryState | None = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    before: Annotated[int | None, Query(ge=0, le=10**18, description="Only smaller numbers.")] = None,
) -> DeliveryPage:
    """What became of the messages to a receiver, the newest first."""
    await _known(webhook_id, context, key.studio)
    found = await to_thread.run_sync(
        lambda: context.journal.outbox.deliveries(webhook_id, limit=limit + 1, before=before, state=state)
    )
    return DeliveryPage(
        deliveries=[_delivery(each) for each in found[:limit]],
        next_before=found[limit - 1].number if len(found) > limit else None,
    )


@router.post("/{webhook_id}/deliveries/{number}/resend", responses=documented(404, 409))
async def resend(
    webhook_id: str, number: Annotated[int, Path(ge=0, le=10**18)], context: Context, key: Writer
) -> DeliveryAnswer:
    """Have a message sent once more, now, whatever became of it."""
    await _known(webhook_id, context, key.studio)
    return _delivery(await to_thread.run_sync(context.journal.outbox.send_again, webhook_id, number))


async def _known(webhook_id: str, context: Context, studio: str) -> Webhook:
    return await to_thread.run_sync(lambda: context.journal.webhooks.get(webhook_id, studio=studio))


def _answer(webhook: Webhook) -> WebhookAnswer:
    return WebhookAnswer(
        webhook_id=webhook.webhook_id,
        studio=webhook.studio,
        url=webhook.url,
        label=webhook.label,
        types=list(sorted_types(webhook.types)),
        after=webhook.after,
        created_at=_moment(webhook.created_at),
        ended_at=None if webhook.ended_at is None else _moment(webhook.ended_at),
        ended_why=webhook.ended_why,
    )


def _delivery(delivery: Delivery) -> DeliveryAnswer:
    return DeliveryAnswer(
        number=delivery.number,
        job=delivery.job,
        sequence=delivery.sequence,
        type=delivery.message,
        state=delivery.state,
        tries=delivery.tries,
        next_at=None if delivery.next_at is None else _moment(delivery.next_at),
        status=delivery.status,
        note=delivery.note,
        changed_at=_moment(delivery.changed_at),
    )


def _moment(at: float) -> datetime:
    return datetime.fromtimestamp(at, UTC)
