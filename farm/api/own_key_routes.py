"""/v1/key: what a key is, for whoever has it."""

from __future__ import annotations

from fastapi import APIRouter

from farm.api.access import Anybody
from farm.api.context import Context
from farm.api.key_routes import KeyAnswer, shown_key
from farm.api.problems import documented

router = APIRouter(prefix="/v1/key", tags=["keys"])


@router.get("", responses=documented())
async def own_key(context: Context, key: Anybody) -> KeyAnswer:
    """What is known of the key of this request, whatever it may do."""
    return shown_key(key, context)
