"""/subjects: whom a job may show, with picture, consent and licence."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from anyio import to_thread
from fastapi import APIRouter, Response
from fastapi.responses import FileResponse

from farm.api.context import Context
from farm.api.problems import BadRequest
from farm.page.frame import page_of
from farm.page.sessions import AnyVisitor, ReadingVisitor
from farm.translation import translated
from jobs.locations import BUILTIN_PREFIX
from stages.builtin import builtin_subject, builtin_subject_names

router = APIRouter(prefix="/subjects")

_PICTURE: Final = "reference.png"


@dataclass(frozen=True, slots=True, kw_only=True)
class SubjectCard:
    """A subject that ships with the farm.

    Attributes:
        location: What a job calls it.
        size_px: Width and height of the frames that are drawn of it.
    """

    name: str
    location: str
    consent: str
    provenance: str
    licence: str
    size_px: int


@router.get("")
async def subjects(context: Context, visitor: ReadingVisitor) -> Response:
    """All of them."""
    cards = await to_thread.run_sync(lambda: [_card(name) for name in builtin_subject_names()])
    return await page_of(context, visitor, "subjects.html", section="subjects", subjects=cards)


@router.get("/{name}/picture")
async def picture(name: str, _visitor: AnyVisitor) -> Response:
    """What a subject looks like."""
    if name not in builtin_subject_names():
        raise BadRequest(
            "there is no such subject", where=name[:60], code="unknown_address", hint="go to /subjects"
        )
    return FileResponse(
        builtin_subject(name) / _PICTURE,
        media_type="image/png",
        headers={"Cache-Control": "private, max-age=86400"},
    )


@lru_cache(maxsize=64)
def _card(name: str) -> SubjectCard:
    """Reads the whole package; those that ship do not change while a farm runs."""
    with translated(name):
        from stages.subject.package import SubjectPackage

        package = SubjectPackage.load(builtin_subject(name))
    return SubjectCard(
        name=name,
        location=f"{BUILTIN_PREFIX}{name}",
        consent=package.consent,
        provenance=package.provenance,
        licence=package.licence,
        size_px=int(package.reference_HW3.shape[1]),
    )
