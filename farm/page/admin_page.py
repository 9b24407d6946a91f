"""/admin: who may come in, and who is told: keys are made and revoked here, and receivers of webhooks added."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from farm.api import key_routes, webhook_routes
from farm.api.context import ApiContext, Context
from farm.api.problems import ErrorAnswer, status_of, told_of
from farm.page.bodies_of_forms import body_of
from farm.page.frame import page_of
from farm.page.sessions import AdminVisitor, AnyVisitor, OwnForm, Visitor, WritingVisitor
from jobs.access import Scope
from jobs.errors import FarmError
from jobs.webhooks import MessageType

router = APIRouter(prefix="/admin")

_LATEST: Final = 30
_ENDS: Final = {"": "Never", "1": "In a day", "30": "In 30 days", "90": "In 90 days", "365": "In a year"}


@router.get("")
async def admin(context: Context, visitor: AnyVisitor) -> Response:
    """Keys for whoever may make some, and the studio's receivers."""
    return await _page(context, visitor)


@router.post("/keys")
async def make_key(request: Request, context: Context, visitor: AdminVisitor, form: OwnForm) -> Response:
    """Make a key; it is shown in the answer and nowhere else."""
    days = form.text("days")
    ends = (
        datetime.fromtimestamp(context.clock(), UTC) + timedelta(days=int(days))
        if days in _ENDS and days
        else None
    )
    wanted = {
        "studio": form.text("studio"),
        "label": form.text("label"),
        "scopes": [scope for scope in Scope if scope.value in form.texts("scope")],
        "expires_at": ends,
    }
    try:
        made = await key_routes.create_key(body_of(key_routes.KeyBody, wanted), context, visitor.key)
    except FarmError as error:
        told = told_of(request, error)
        return await _page(
            context, visitor, key_refusal=told, values=_values(form.fields), status=status_of(error)
        )
    return await _page(context, visitor, new_key=made, status=201)


@router.post("/keys/{key_id}/revoke")
async def revoke_key(key_id: str, context: Context, visitor: AdminVisitor, _form: OwnForm) -> Response:
    """Revoke a key; sessions and streams that it opened end."""
    await key_routes.revoke_key(key_id, context, visitor.key)
    return RedirectResponse("/admin", status_code=303)


@router.post("/webhooks")
async def add_webhook(request: Request, context: Context, visitor: WritingVisitor, form: OwnForm) -> Response:
    """Add a receiver; its secret is shown in the answer and nowhere else."""
    wanted = {
        "url": form.text("url"),
        "label": form.text("label"),
        "types": [kind for kind in MessageType if kind.value in form.texts("type")],
    }
    try:
        body = body_of(webhook_routes.WebhookBody, wanted)
        made = await webhook_routes.add_webhook(body, context, visitor.key)
    except FarmError as error:
        told = told_of(request, error)
        return await _page(
            context, visitor, webhook_refusal=told, values=_values(form.fields), status=status_of(error)
        )
    return await _page(context, visitor, new_webhook=made, status=201)


async def _page(
    context: ApiContext,
    visitor: Visitor,
    *,
    new_key: key_routes.NewKeyAnswer | None = None,
    new_webhook: webhook_routes.NewWebhookAnswer | None = None,
    key_refusal: ErrorAnswer | None = None,
    webhook_refusal: ErrorAnswer | None = None,
    values: Mapping[str, str] | None = None,
    status: int = 200,
) -> Response:
    keys, changes, webhooks = [], [], []
    if visitor.may(Scope.ADMIN):
        keys = (await key_routes.list_keys(context)).keys
        changes = (await key_routes.key_changes(context)).changes[: -_LATEST - 1 : -1]
    if visitor.may(Scope.READ):
        webhooks = (await webhook_routes.list_webhooks(context, visitor.key)).webhooks
    return await page_of(
        context,
        visitor,
        "admin.html",
        section="admin",
        status=status,
        keys=sorted(keys, key=lambda key: (key.state != "active", key.studio, key.created_at)),
        labels={key.key_id: key.label or key.key_id for key in keys},
        changes=changes,
        webhooks=webhooks,
        new_key=new_key,
        new_webhook=new_webhook,
        key_refusal=key_refusal,
        webhook_refusal=webhook_refusal,
        values=values or {},
        ends=_ENDS,
        scopes=list(Scope),
        types=list(MessageType),
    )


def _values(fields: tuple[tuple[str, str], ...]) -> Mapping[str, str]:
    return {name: value for name, value in fields if name != "form_token"}
