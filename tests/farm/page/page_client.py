"""The page on a free port, and a visitor who behaves as a browser does; the journal and the sockets are real."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from farm.api.context import ApiLimits
from farm.api.server import ApiServer, serving
from farm.page.all_pages import make_page
from infra.journal import Journal, open_journal
from infra.settings import FarmSettings
from jobs.access import Scope

QUICK = ApiLimits(
    answer_s=0.3, body_bytes=20_000, upload_bytes=200_000, silence_s=1.0, requests_per_minute=1_000_000
)
FROM_HERE = {"Sec-Fetch-Site": "same-origin"}
"""What browsers say of a form that lies on the same site."""


@dataclass(slots=True)
class RunningPage:
    """One farm's page."""

    settings: FarmSettings
    journal: Journal
    server: ApiServer

    @property
    def address(self) -> str:
        return self.server.address

    def key(self, studio: str = "north", *scopes: Scope, expires_at: float | None = None) -> str:
        return self.journal.keys.create(
            studio=studio,
            label="",
            scopes=scopes or (Scope.READ, Scope.WRITE),
            expires_at=expires_at,
            by="a test",
        )[0]

    def stranger(self) -> httpx.Client:
        return httpx.Client(base_url=self.address, timeout=20)

    def visitor(self, studio: str = "north", *scopes: Scope, key: str | None = None) -> httpx.Client:
        with self.stranger() as door:
            answer = door.post("/login", data={"key": key or self.key(studio, *scopes)}, headers=FROM_HERE)
            assert answer.status_code == 303, answer.text
            client = self.stranger()
            client.cookies.update(door.cookies)
        return client


@contextmanager
def running_page(folder: Path, *, limits: ApiLimits = QUICK, port: int = 0) -> Iterator[RunningPage]:
    settings = FarmSettings(
        store=str(folder / "store"),
        cache=folder / "cache",
        journal=str(folder / "farm.sqlite"),
        studios=folder / "studios",
        quarantine=folder / "quarantine",
    )
    with serving(settings, host="127.0.0.1", port=port, limits=limits, make_page=make_page) as server:
        journal = open_journal(settings.journal)
        try:
            yield RunningPage(settings, journal, server)
        finally:
            journal.close()


def token_in(html: str) -> str:
    """What the forms of a page hold."""
    found = re.search(r'name="form_token" value="([0-9a-f]{64})"', html)
    assert found is not None, html[:500]
    return found[1]


def sent(
    client: httpx.Client, path: str, fields: dict[str, str | list[str]], *, form_on: str = "/jobs"
) -> httpx.Response:
    """A form of the page as a browser with scripts sends it."""
    token = token_in(client.get(form_on).text)
    headers = FROM_HERE | {"HX-Request": "true"}
    return client.post(path, data=fields | {"form_token": token}, headers=headers)
