"""A server of the API on a free port, and whoever asks it; the journal and the sockets are real."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from farm.api.app import MakePage
from farm.api.context import ApiLimits
from farm.api.server import ApiServer, serving
from farm.api.webhook_sending import WebhookTerms
from infra.journal import Journal, open_journal
from infra.settings import FarmSettings
from jobs.access import Scope

IMPATIENT = ApiLimits(
    answer_s=2.0, body_bytes=20_000, upload_bytes=200_000, silence_s=1.0, requests_per_minute=1_000_000
)

USUAL = WebhookTerms()


@dataclass(slots=True)
class Api:
    """One farm's API."""

    settings: FarmSettings
    journal: Journal
    server: ApiServer

    def key(self, studio: str = "north", *scopes: Scope, expires_at: float | None = None) -> str:
        return self.journal.keys.create(
            studio=studio,
            label="",
            scopes=scopes or (Scope.READ, Scope.WRITE),
            expires_at=expires_at,
            by="a test",
        )[0]

    def client(self, studio: str = "north", *scopes: Scope, key: str | None = None) -> httpx.Client:
        headers = {"Authorization": f"Bearer {key or self.key(studio, *scopes)}"}
        return httpx.Client(base_url=self.server.address, headers=headers, timeout=20)


def settings_in(folder: Path) -> FarmSettings:
    return FarmSettings(
        store=str(folder / "store"),
        cache=folder / "cache",
        journal=str(folder / "farm.sqlite"),
        studios=folder / "studios",
        quarantine=folder / "quarantine",
    )


@contextmanager
def running_api(
    settings: FarmSettings,
    *,
    limits: ApiLimits = IMPATIENT,
    webhooks: WebhookTerms = USUAL,
    port: int = 0,
    make_page: MakePage | None = None,
) -> Iterator[Api]:
    with serving(
        settings, host="127.0.0.1", port=port, limits=limits, webhooks=webhooks, make_page=make_page
    ) as server:
        journal = open_journal(settings.journal)
        try:
            yield Api(settings, journal, server)
        finally:
            journal.close()


def document(speech: str, name: str = "hello", **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "farm/v1",
        "kind": "RenderJob",
        "metadata": {"name": name},
        "spec": {"speech": speech, "subject": "builtin:fake"} | spec,
    }


def uploaded(client: httpx.Client, data: bytes = b"a recording") -> str:
    answer = client.post("/v1/uploads", content=data)
    assert answer.status_code in (200, 201), answer.text
    return str(answer.json()["uri"])


def submitted(client: httpx.Client, name: str = "hello", **spec: Any) -> str:
    answer = client.post("/v1/jobs", json=document(uploaded(client), name, **spec))
    assert answer.status_code in (201, 202), answer.text
    return str(answer.json()["job"])


@dataclass(slots=True)
class Told:
    """One server-sent event."""

    id: int
    data: dict[str, Any]


def told(lines: Iterator[str]) -> Iterator[Told]:
    """Server-sent events, as a browser reads them: an event without data sets the id alone."""
    last, data = 0, ""
    for line in lines:
        if line.startswith("id:"):
            last = int(line[3:])
        elif line.startswith("data:"):
            data += line[5:].strip()
        elif not line and data:
            yield Told(last, json.loads(data))
            data = ""
