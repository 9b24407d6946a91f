"""/v1/keys: who may come in. For keys of scope admin, which see every studio's keys and no studio's secrets."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from anyio import to_thread
from fastapi import APIRouter, Query
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from farm.api.access import NEEDS_ADMIN, Admin
from farm.api.context import Context
from farm.api.problems import BadRequest, documented
from jobs.access import ApiKey, Scope
from jobs.spec_model import Slug

router = APIRouter(prefix="/v1/keys", tags=["keys"], dependencies=[NEEDS_ADMIN])


class KeyBody(BaseModel):
    """The key that is wanted."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"example": {"studio": "north", "label": "pipeline"}}
    )

    studio: Slug
    label: Annotated[str, Field(max_length=100, pattern=r"^[^\x00-\x1f\x7f]*$")] = ""
    scopes: Annotated[list[Scope], Field(min_length=1)] = [Scope.READ, Scope.WRITE]
    expires_at: AwareDatetime | None = None


class KeyAnswer(BaseModel):
    """What is known of a key."""

    key_id: str
    studio: str
    label: str
    scopes: list[Scope]
    state: str
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None


class NewKeyAnswer(KeyAnswer):
    """A new key; `key` is shown this once."""

    key: str


class KeyList(BaseModel):
    """Keys, oldest first."""

    keys: list[KeyAnswer]


class KeyChangeAnswer(BaseModel):
    """What was done to a key, and by whom."""

    number: int
    at: datetime
    key_id: str
    what: str
    by: str


class KeyChangeList(BaseModel):
    """Everything that was done to keys, in order."""

    changes: list[KeyChangeAnswer]


@router.post("", status_code=201, responses=documented())
async def create_key(body: KeyBody, context: Context, key: Admin) -> NewKeyAnswer:
    """Make a key for a studio."""
    expires_at = body.expires_at.timestamp() if body.expires_at else None
    if expires_at is not None and expires_at <= context.clock():
        raise BadRequest(
            "lies in the past", where="expires_at", code="bad_expiry", hint="choose a later time"
        )
    text, made = await to_thread.run_sync(
        lambda: context.journal.keys.create(
            studio=body.studio,
            label=body.label,
            scopes=body.scopes,
            expires_at=expires_at,
            by=f"key {key.key_id}",
        )
    )
    return NewKeyAnswer(key=text, **made.as_record(now=context.clock()))


@router.get("", responses=documented())
async def list_keys(context: Context, studio: Annotated[str | None, Query(max_length=63)] = None) -> KeyList:
    """Every key there ever was, or every one of a studio."""
    keys = await to_thread.run_sync(context.journal.keys.all)
    return KeyList(keys=[shown_key(each, context) for each in keys if studio in (None, each.studio)])


@router.get("/changes", responses=documented())
async def key_changes(context: Context) -> KeyChangeList:
    """Who made and revoked which key, and when."""
    changes = await to_thread.run_sync(context.journal.keys.changes)
    return KeyChangeList(
        changes=[
            KeyChangeAnswer(number=each.number, at=each.at, key_id=each.key_id, what=each.what, by=each.by)
            for each in changes
        ]
    )


@router.delete("/{key_id}", responses=documented(404))
async def revoke_key(key_id: str, context: Context, key: Admin) -> KeyAnswer:
    """Revoke a key: it opens nothing from now on, and streams that it opened end."""
    revoked = await to_thread.run_sync(lambda: context.journal.keys.revoke(key_id, by=f"key {key.key_id}"))
    return shown_key(revoked, context)


def shown_key(key: ApiKey, context: Context) -> KeyAnswer:
    """A key as whoever may see it sees it."""
    return KeyAnswer(**key.as_record(now=context.clock()))
