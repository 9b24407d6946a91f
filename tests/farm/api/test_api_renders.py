"""From an upload to the bytes of a master, through the API alone; the coordinator and the encoder are the real ones."""

from __future__ import annotations

import hashlib
import socket
import threading
import time
import wave
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from api_client import Api, document, running_api, settings_in, told, uploaded
from fake_stages import FakeStages
from PIL import Image

from farm.config import PoolSizes
from farm.coordination.state import Unwatched
from farm.execution.opening import opened_inline
from farm.shared_farm import run_farm
from infra.settings import FarmSettings
from jobs.farm_spec import FarmSpec
from moda_client import Client


@contextmanager
def serving_farm(settings: FarmSettings, stages: FakeStages) -> Iterator[None]:
    over = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        served = pool.submit(
            run_farm,
            settings=settings,
            rules=FarmSpec(),
            pools=PoolSizes(render=1),
            stages=stages,
            open_backend=partial(opened_inline, stages=stages),
            watcher=Unwatched(),
            device_kind="cpu test",
            is_over=lambda _: over.is_set(),
        )
        try:
            yield
        finally:
            over.set()
            served.result(60)


def ended(client: httpx.Client, job: str) -> dict[str, Any]:
    """The job, once an event says that it is over."""
    with client.stream("GET", f"/v1/jobs/{job}/events", timeout=90) as answer:
        for event in told(answer.iter_lines()):
            if (
                event.data.get("after") in {"succeeded", "failed", "rejected"}
                and event.data["segment"] is None
            ):
                break
    return dict(client.get(f"/v1/jobs/{job}").json())


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Api]:
    with running_api(settings_in(tmp_path)) as running:
        yield running


def test_a_recording_becomes_a_master(
    api: Api, tmp_path: Path, write_speech: Any, stages: FakeStages
) -> None:
    recording = write_speech(seconds=4.2)
    with serving_farm(api.settings, stages), api.client() as client, api.client("south") as south:
        upload = uploaded(client, recording.read_bytes())
        job = client.post("/v1/jobs", json=document(upload, takes=2)).json()["job"]
        found = ended(client, job)
        assert (found["state"], found["progress"]["percent"], found["error"]) == ("succeeded", 100.0, None)
        assert [master["take"] for master in found["masters"]] == [1, 2]
        assert client.get("/v1/ready").json()["is_served"] is True
        for master in found["masters"]:
            whole = client.get(master["url"])
            assert whole.status_code == 200
            assert whole.headers["content-type"] == "video/mp4"
            assert hashlib.sha256(whole.content).hexdigest() == master["sha256"]
            assert len(whole.content) == master["size_bytes"]
            manifest = client.get(master["manifest_url"])
            assert manifest.json()["master"]["sha256"] == master["sha256"]
            assert manifest.json()["job"]["spec"]["speech"] == upload
            assert str(tmp_path) not in manifest.text
            assert south.get(master["url"]).json()["code"] == "unknown_job"
            middle = client.get(master["url"], headers={"Range": "bytes=100-299"})
            assert (middle.status_code, middle.content) == (206, whole.content[100:300])
            tail = client.get(master["url"], headers={"Range": "bytes=-50"})
            assert tail.content == whole.content[-50:]
            beyond = client.get(master["url"], headers={"Range": f"bytes={len(whole.content)}-"})
            assert beyond.status_code == 416
            kept = client.get(
                master["url"], headers={"If-Range": whole.headers["etag"], "Range": "bytes=0-9"}
            )
            assert kept.status_code == 206
        assert client.get(f"/v1/jobs/{job}/masters/3").json()["code"] == "unknown_master"
        assert str(tmp_path) not in client.get(f"/v1/jobs/{job}").text


WORDS = b"1\n00:00:00,200 --> 00:00:01,000\nGood morning.\n\n2\n00:00:02,100 --> 00:00:04,000\nGood night.\n"


def test_captions_go_in_by_an_upload_and_come_out_beside_the_master_and_in_the_stream(
    api: Api, tmp_path: Path, write_speech: Any, stages: FakeStages
) -> None:
    recording = write_speech(seconds=4.2)
    with serving_farm(api.settings, stages), api.client() as client:
        upload, words = uploaded(client, recording.read_bytes()), uploaded(client, WORDS)
        output = {"captions": {"uri": words, "language": "en"}}
        job = client.post("/v1/jobs", json=document(upload, output=output)).json()["job"]
        found = ended(client, job)
        assert found["state"] == "succeeded"
        assert found["document"]["spec"]["output"]["captions"]["uri"] == words
        (master,) = found["masters"]
        answer = client.get(master["captions_url"])
        assert (answer.content, answer.headers["content-type"]) == (WORDS, "application/x-subrip")
        told = client.get(master["manifest_url"]).json()
        assert (told["captions"]["cue_count"], told["captions"]["uri"]) == (2, master["captions_url"])
        assert told["job"]["spec"]["output"]["captions"]["uri"] == words
        stream = f"/v1/jobs/{job}/hls/1"
        main = client.get(f"{stream}/main.m3u8").text
        assert (
            'TYPE=SUBTITLES,GROUP-ID="captions",NAME="Captions",DEFAULT=NO,AUTOSELECT=YES,LANGUAGE="en"'
            in main
        )
        names = [each for each in client.get(f"{stream}/captions.m3u8").text.split() if each.endswith(".vtt")]
        assert names == ["captions-00000.vtt", "captions-00001.vtt", "captions-00002.vtt"]
        texts = [client.get(f"{stream}/{name}").text for name in names]
        assert ["morning" in text for text in texts] == [True, False, False]
        assert ["00:00:02.100 --> 00:00:04.000\nGood night." in text for text in texts] == [
            False,
            True,
            False,
        ]
        with Client(api.server.address, key=api.key()) as farm:
            assert [path.name for path in farm.download(job, folder=tmp_path / "got")] == [
                f"{job}.mp4",
                f"{job}.captions.srt",
            ]
        (path,) = api.settings.studios.glob("north/masters/*/hello.captions.srt")
        path.write_text("changed")
        assert client.get(master["captions_url"]).json()["code"] == "master_changed"


def test_a_picture_goes_in_by_an_upload_and_is_behind_the_person(
    api: Api, tmp_path: Path, write_speech: Any, stages: FakeStages
) -> None:
    (stages.folder / "cut-out").touch()
    Image.new("RGB", (90, 60), (200, 40, 40)).save(tmp_path / "room.png")
    with serving_farm(api.settings, stages), api.client() as client:
        upload = uploaded(client, write_speech(seconds=2.2).read_bytes())
        picture = uploaded(client, (tmp_path / "room.png").read_bytes())
        job = client.post("/v1/jobs", json=document(upload, output={"background": picture})).json()["job"]
        found = ended(client, job)
        assert (found["state"], found["document"]["spec"]["output"]["background"]) == ("succeeded", picture)
        told = client.get(found["masters"][0]["manifest_url"]).json()
        assert told["background"] == hashlib.sha256((tmp_path / "room.png").read_bytes()).hexdigest()
        body = document(upload, output={"background": "/etc/hostname"})
        (mistake,) = client.post("/v1/jobs", json=body).json()["mistakes"]
        assert (mistake["path"], mistake["code"]) == ("spec.output.background", "not_an_upload")


def test_captions_that_are_broken_are_mistakes_of_the_request(api: Api) -> None:
    with api.client() as client, api.client("south") as south:
        upload, theirs = uploaded(client, b"a recording"), uploaded(south, WORDS)
        broken = uploaded(client, WORDS.replace(b"00:00:02,100", b"00:00:00,100"))
        wanted = {broken: "captions_out_of_order", theirs: "unknown_upload", "words.srt": "not_an_upload"}
        for captions, code in wanted.items():
            body = document(upload, output={"captions": captions})
            (mistake,) = client.post("/v1/jobs", json=body).json()["mistakes"]
            assert (mistake["path"], mistake["code"]) == ("spec.output.captions", code)


def test_a_master_without_captions_has_none_to_fetch(api: Api, write_speech: Any, stages: FakeStages) -> None:
    with serving_farm(api.settings, stages), api.client() as client:
        upload = uploaded(client, write_speech(seconds=2.2).read_bytes())
        job = client.post("/v1/jobs", json=document(upload)).json()["job"]
        (master,) = ended(client, job)["masters"]
        assert master["captions_url"] is None
        assert client.get(f"{master['url']}/captions").json()["code"] == "no_captions"
        assert client.get(f"/v1/jobs/{job}/hls/1/captions.m3u8").json()["code"] == "unknown_fragment"


def test_the_same_job_of_two_studios_has_the_same_bytes_and_two_places(
    api: Api, write_speech: Any, stages: FakeStages
) -> None:
    recording = write_speech(seconds=2.2).read_bytes()
    with serving_farm(api.settings, stages), api.client("north") as north, api.client("south") as south:
        masters = []
        for client in (north, south):
            job = client.post("/v1/jobs", json=document(uploaded(client, recording))).json()["job"]
            masters.append(ended(client, job)["masters"][0])
    assert masters[0]["sha256"] == masters[1]["sha256"]
    assert len(list(api.settings.studios.glob("*/masters/*/hello.mp4"))) == 2


def test_a_file_that_is_no_longer_what_was_delivered_is_not_served(
    api: Api, write_speech: Any, stages: FakeStages
) -> None:
    with serving_farm(api.settings, stages), api.client() as client:
        upload = uploaded(client, write_speech(seconds=2.2).read_bytes())
        job = client.post("/v1/jobs", json=document(upload)).json()["job"]
        master = ended(client, job)["masters"][0]
        assert client.get(master["url"]).status_code == 200
        (path,) = api.settings.studios.glob("north/masters/*/hello.mp4")
        path.write_bytes(path.read_bytes()[:-1] + b"x")
        changed = client.get(master["url"])
        assert (changed.status_code, changed.json()["code"]) == (410, "master_changed")
        path.unlink()
        assert client.get(master["url"]).json()["code"] == "master_changed"


def test_an_upload_that_is_no_speech_ends_the_job_with_a_reason_and_without_a_path(
    api: Api, tmp_path: Path, stages: FakeStages
) -> None:
    with serving_farm(api.settings, stages), api.client() as client:
        upload = uploaded(client, b"RIFF, but nothing else")
        job = client.post("/v1/jobs", json=document(upload)).json()["job"]
        found = ended(client, job)
        assert (found["state"], found["error"]["retry"]) == ("failed", "never")
        answer = client.get(f"/v1/jobs/{job}")
        assert str(tmp_path) not in answer.text


def test_uploads_are_the_same_for_the_same_bytes_and_bounded(api: Api, tmp_path: Path) -> None:
    sound = tmp_path / "a.wav"
    with wave.open(str(sound), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(bytes(2000))
    with api.client() as client:
        first = client.post("/v1/uploads", content=sound.read_bytes())
        again = client.post("/v1/uploads", content=iter([sound.read_bytes()[:99], sound.read_bytes()[99:]]))
        assert (first.status_code, again.status_code) == (201, 200)
        assert first.json() == again.json() == client.get(first.headers["location"]).json()
        assert first.json()["sha256"] == hashlib.sha256(sound.read_bytes()).hexdigest()
        assert client.post("/v1/uploads", content=b"").json()["code"] == "empty_upload"
        # Whoever sends much and is refused at once reads why.
        with httpx.Client(base_url=api.server.address) as stranger:
            refused = [stranger.post("/v1/uploads", content=bytes(190_000)).json()["code"] for _ in range(5)]
        assert refused == ["no_key"] * 5
        announced = client.post("/v1/uploads", content=bytes(200_001))
        assert (announced.status_code, announced.json()["code"]) == (413, "body_too_large")
        unannounced = client.post("/v1/uploads", content=iter([bytes(150_000), bytes(150_000)]))
        assert unannounced.status_code == 413
        assert client.post("/v1/jobs", content=b" " * 20_001).status_code == 413
        resumed = client.post("/v1/jobs/x-1/resume", content=iter([b" " * 15_000, b" " * 15_000]))
        assert resumed.status_code in (404, 413)
    assert list((api.settings.cache / "incoming").iterdir()) == []


def test_a_body_that_stops_coming_is_given_up(api: Api) -> None:
    host, port = api.server.address.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        lines = [
            "POST /v1/uploads HTTP/1.1",
            "Host: x",
            f"Authorization: Bearer {api.key()}",
            "Content-Length: 100",
        ]
        connection.sendall("\r\n".join([*lines, "", "only this"]).encode())
        answer = b"".join(iter(lambda: connection.recv(4096), b""))
    assert answer.startswith(b"HTTP/1.1 408")
    assert b"body_too_slow" in answer


def test_a_client_that_goes_away_while_it_sends_leaves_nothing(api: Api, tmp_path: Path) -> None:
    host, port = api.server.address.removeprefix("http://").split(":")
    for path, length in (("/v1/uploads", 90_000), ("/v1/jobs", 900), ("/v1/jobs/x-1/resume", 900)):
        with socket.create_connection((host, int(port)), timeout=10) as connection:
            lines = [
                f"POST {path} HTTP/1.1",
                "Host: x",
                "Content-Type: application/json",
                f"Authorization: Bearer {api.key()}",
                f"Content-Length: {length}",
            ]
            connection.sendall("\r\n".join([*lines, "", "{"]).encode())
    with api.client() as client:
        for _ in range(100):
            left = list((api.settings.cache / "incoming").glob("*"))
            if not left:
                break
            time.sleep(0.05)
        assert client.get("/v1/jobs").json()["jobs"] == []
    assert left == []
    assert not (api.settings.cache / "crashes").exists()
