"""/admin/webhooks/ID: one receiver, and what became of each message to it."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query, Response
from fastapi.responses import RedirectResponse

from farm.api import webhook_routes
from farm.api.context import ApiContext, Context
from farm.page.frame import page_of
from farm.page.sessions import OwnForm, ReadingVisitor, Visitor, WritingVisitor
from jobs.webhooks import DeliveryState

router = APIRouter(prefix="/admin/webhooks/{webhook_id}")

Before = Annotated[int | None, Query(ge=0, le=10**18)]


@router.get("")
async def webhook(
    webhook_id: str,
    context: Context,
    visitor: ReadingVisitor,
    state: DeliveryState | None = None,
    before: Before = None,
) -> Response:
    """The receiver and its messages, the newest first."""
    return await _page(webhook_id, context, visitor, state=state, before=before)


@router.post("/secret")
async def new_secret(webhook_id: str, context: Context, visitor: WritingVisitor, _form: OwnForm) -> Response:
    """Make another secret; it is shown in the answer and nowhere else."""
    made = await webhook_routes.rotate_secret(webhook_id, context, visitor.key)
    return await _page(webhook_id, context, visitor, secret=made.secret)


@router.post("/remove")
async def remove(webhook_id: str, context: Context, visitor: WritingVisitor, _form: OwnForm) -> Response:
    """Remove the receiver with its messages."""
    await webhook_routes.remove_webhook(webhook_id, context, visitor.key)
    return RedirectResponse("/admin", status_code=303)


@router.post("/deliveries/{number}/resend")
async def resend(
    webhook_id: str,
    number: Annotated[int, Path(ge=0, le=10**18)],
    context: Context,
    visitor: WritingVisitor,
    _form: OwnForm,
) -> Response:
    """Have a message sent once more."""
    await webhook_routes.resend(webhook_id, number, context, visitor.key)
    return RedirectResponse(f"/admin/webhooks/{webhook_id}", status_code=303)


async def _page(
    webhook_id: str,
    context: ApiContext,
    visitor: Visitor,
    *,
    state: DeliveryState | None = None,
    before: int | None = None,
    secret: str = "",
) -> Response:
    known = await webhook_routes.get_webhook(webhook_id, context, visitor.key)
    found = await webhook_routes.list_deliveries(
        webhook_id, context, visitor.key, state=state, limit=50, before=before
    )
    return await page_of(
        context,
        visitor,
        "webhook.html",
        section="admin",
        webhook=known,
        deliveries=found.deliveries,
        next_before=found.next_before,
        before=before,
        state=state,
        states=list(DeliveryState),
        secret=secret,
    )
