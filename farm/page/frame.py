"""What stands around every page: who is logged in, whether a farm serves, and where one can go."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from fastapi.responses import HTMLResponse
from markupsafe import Markup

from farm.api.context import ApiContext
from farm.api.job_answers import Presence
from farm.api.studio_jobs import StudioJobs
from farm.page.sessions import Visitor
from farm.page.templates import filled
from jobs.access import Scope

_SECTIONS: Final = (
    ("jobs", "/jobs", "Jobs", (Scope.READ,)),
    ("new", "/new", "New job", (Scope.WRITE,)),
    ("subjects", "/subjects", "Subjects", (Scope.READ,)),
    ("farm", "/farm", "Farm", (Scope.READ, Scope.ADMIN, Scope.METRICS)),
    ("admin", "/admin", "Admin", (Scope.READ, Scope.ADMIN)),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SectionLink:
    """A part of the page that the visitor may open."""

    name: str
    path: str
    title: str


def presence_shown(presence: Presence) -> Markup:
    """Whether a farm serves, as every page shows it."""
    return filled("presence.html", presence=presence)


async def page_of(
    context: ApiContext,
    visitor: Visitor,
    template: str,
    *,
    section: str,
    status: int = 200,
    **values: Any,
) -> HTMLResponse:
    """A whole page.

    Args:
        context: The process that answers.
        visitor: Whom it is made for.
        template: Of what is special in it.
        section: Name of the part of the page that it belongs to.
        status: Of the answer.
        values: What the template needs beside the frame's.

    Raises:
        JournalError: The journal cannot be read.
    """
    presence = await StudioJobs(context, visitor.key.studio).presence()
    sections = [
        SectionLink(name=name, path=path, title=title)
        for name, path, title, scopes in _SECTIONS
        if any(map(visitor.may, scopes))
    ]
    text = filled(
        template,
        visitor=visitor,
        presence=presence_shown(presence),
        sections=sections,
        section=section,
        **values,
    )
    return HTMLResponse(text, status_code=status)
