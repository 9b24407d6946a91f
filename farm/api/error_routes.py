"""/v1/errors: what a code means, for `doc_url`."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel

from farm.api.problems import BadRequest, documented

router = APIRouter(prefix="/v1/errors", tags=["errors"])


class CodeAnswer(BaseModel):
    """An error's code; `...` stands for what differs from case to case.

    Attributes:
        what: What it says, wherever it is told.
        hints: What to do.
        retry: Whether the same request can succeed; several words where that differs.
    """

    code: str
    what: list[str]
    hints: list[str]
    retry: list[str]


@router.get("/{code}", responses=documented(404, needs_key=False))
async def explain(code: str) -> CodeAnswer:
    """What an error's code means."""
    told = _codes().get(code)
    if told is None:
        raise BadRequest(
            "no error has that code", where=code[:60], code="unknown_code", hint="check its spelling"
        )
    return CodeAnswer(code=code, **told)


@cache
def _codes() -> dict[str, Any]:
    # Written by `python -m recipes.errors_page`.
    codes: dict[str, Any] = json.loads(
        files("farm.api").joinpath("error_codes.json").read_text(encoding="utf-8")
    )
    return codes
