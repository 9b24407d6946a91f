"""Takes that wait to be chosen, by the page; the coordinator and the encoder are the real ones."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fake_stages import FakeStages
from page_client import RunningPage, sent
from test_new_job_page import handed_in, uploaded

from jobs.access import Scope

# The farm that serves is a plain function beside the tests of the API.
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "api"))

from test_api_renders import serving_farm


@pytest.fixture
def serves(page: RunningPage, tmp_path: Path) -> Iterator[FakeStages]:
    stages = FakeStages.in_folder(tmp_path / "stages")
    with serving_farm(page.settings, stages):
        yield stages


def shown(client: httpx.Client, path: str, look: Callable[[str], Any]) -> str:
    """The page, once it shows what is looked for."""
    until = time.monotonic() + 60
    while time.monotonic() < until:
        html = client.get(path).text
        if look(html):
            return html
        time.sleep(0.05)
    raise AssertionError(html)


def test_takes_are_looked_at_and_one_is_chosen(
    page: RunningPage, serves: FakeStages, write_speech: Any
) -> None:
    recording = write_speech(seconds=2.2).read_bytes()
    with (
        page.visitor() as client,
        page.visitor("north", Scope.READ) as reader,
        page.visitor("south") as south,
    ):
        fields = {
            "metadata.name": "hello",
            "spec.speech": uploaded(client, recording),
            "spec.subject": "builtin:fake",
            "spec.takes": "3",
            "spec.choose": "ask",
        }
        assert handed_in(client, fields).status_code == 303
        html = shown(client, "/jobs/hello-1", lambda html: "Choose a take" in html)
        assert html.count('name="take"') == html.count("/playback") == 3
        assert ">Resume<" not in html
        assert 'name="take"' not in reader.get("/jobs/hello-1").text
        sheet = client.get("/jobs/hello-1/takes/2/sheet")
        assert (sheet.status_code, sheet.headers["content-type"]) == (200, "image/jpeg")
        part = client.get("/jobs/hello-1/takes/2/playback", headers={"Range": "bytes=0-99"})
        assert (part.status_code, len(part.content)) == (206, 100)
        assert south.get("/jobs/hello-1/takes/2/sheet").status_code == 404
        for wrong in ("", "two", "0"):
            answer = sent(client, "/jobs/hello-1/change", {"change": "choose", "take": wrong})
            assert answer.status_code in (400, 422)
        answer = sent(client, "/jobs/hello-1/change", {"change": "choose", "take": "2"})
        assert answer.status_code == 200
        html = shown(client, "/jobs/hello-1", lambda html: "take 2 of 3" in html)
        assert "Choose a take" not in html
