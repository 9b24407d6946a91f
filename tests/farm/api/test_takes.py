"""Takes that wait to be chosen, by the API and its client; the coordinator and the encoder are the real ones."""

from __future__ import annotations

import hashlib
import io
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import av
import httpx
import pytest
from api_client import Api, document, running_api, settings_in, uploaded
from fake_stages import FakeStages
from test_api_renders import ended, serving_farm

from moda_client import Client, FarmRefused, Job


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Api]:
    with running_api(settings_in(tmp_path)) as running:
        yield running


def waited_for(look: Callable[[], Any]) -> Any:
    until = time.monotonic() + 60
    while time.monotonic() < until:
        if found := look():
            return found
        time.sleep(0.05)
    raise AssertionError("it never came")


def _refused(client: httpx.Client, job: str, *, take: int) -> httpx.Response | None:
    """The farm's refusal; None where it did not answer in time."""
    answer = client.post(f"/v1/jobs/{job}/choose", json={"take": take})
    return None if answer.status_code == 202 else answer


def sketched(client: httpx.Client, job: str) -> dict[str, Any]:
    def look() -> dict[str, Any] | None:
        choice: dict[str, Any] = client.get(f"/v1/jobs/{job}").json().get("choice") or {}
        return choice if choice.get("takes") else None

    found: dict[str, Any] = waited_for(look)
    return found


def test_takes_are_looked_at_and_one_is_chosen(api: Api, write_speech: Any, stages: FakeStages) -> None:
    recording = write_speech(seconds=4.2)
    with serving_farm(api.settings, stages), api.client() as client, api.client("south") as south:
        upload = uploaded(client, recording.read_bytes())
        job = client.post("/v1/jobs", json=document(upload, takes=3, choose="ask")).json()["job"]
        choice = sketched(client, job)
        assert (choice["offered"], choice["chosen"]) == (3, None)
        assert choice["expires_at"] is not None
        for each in choice["takes"]:
            sheet, whole = client.get(each["sheet_url"]), client.get(each["playback_url"])
            assert (sheet.status_code, sheet.headers["content-type"]) == (200, "image/jpeg")
            assert whole.headers["content-type"] == "video/mp4"
            with av.open(io.BytesIO(whole.content)) as playback:
                assert len(playback.streams.audio) == 1
            part = client.get(each["playback_url"], headers={"Range": "bytes=100-299"})
            assert (part.status_code, part.content) == (206, whole.content[100:300])
            assert south.get(each["sheet_url"]).json()["code"] == "unknown_job"
            assert each["segments"] == 3
        assert client.get(f"/v1/jobs/{job}/takes/4/sheet").json()["code"] == "unknown_take"
        waited_for(lambda: client.get(f"/v1/jobs/{job}/why").json()["code"] == "choice")
        refused = waited_for(lambda: _refused(client, job, take=4))
        assert (refused.status_code, refused.json()["code"]) == (422, "no_such_take")
        assert client.post(f"/v1/jobs/{job}/choose", json={"take": 2}).status_code in (200, 202)
        found = ended(client, job)
        assert [master["take"] for master in found["masters"]] == [2]
        assert found["choice"] == {
            "offered": 3,
            "chosen": 2,
            "takes": [],
            "expires_at": None,
            "is_measured": False,
        }
        assert client.get(choice["takes"][0]["sheet_url"]).json()["code"] == "unknown_take"
        same = client.post(f"/v1/jobs/{job}/choose", json={"take": 2})
        assert same.status_code in (200, 202)
        again = waited_for(lambda: _refused(client, job, take=1))
        assert (again.status_code, again.json()["code"]) == (409, "already_chosen")


def test_the_client_chooses(api: Api, write_speech: Any, stages: FakeStages) -> None:
    recording = write_speech(seconds=2.2)
    with (
        serving_farm(api.settings, stages),
        Client(api.server.address, key=api.key("north")) as client,
    ):
        upload = client.upload(recording)
        name = client.submit(document(upload.uri, takes=2, choose="ask")).name

        def look() -> Job | None:
            job = client.job(name)
            return job if job.choice is not None and job.choice.takes else None

        job = waited_for(look)
        first, second = job.choice.takes
        assert client.contact_sheet(first)[:2] == b"\xff\xd8"
        assert client.playback(first) != client.playback(second)
        # On a busy machine the farm may answer later than the server waits for it.
        waited_for(lambda: client.choose(name, 1).answered)

        def refusal() -> str:
            try:
                client.choose(name, 2)
            except FarmRefused as refused:
                return str(refused)
            return ""

        assert "take 1 was chosen" in waited_for(refusal)
        (master,) = client.wait(name, timeout_s=60).masters
        assert master.take == 1
        whole = next(api.settings.studios.glob("north/masters/*/hello.mp4")).read_bytes()
        assert hashlib.sha256(whole).hexdigest() == master.sha256
