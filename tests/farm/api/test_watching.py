"""A take watched over HTTP while it is rendered: the coordinator, the encoder, the store and the sockets are real."""

from __future__ import annotations

import asyncio
import gzip
import io
import re
import threading
import time
from pathlib import Path
from typing import Any

import av
import httpx
import numpy as np
from api_client import Api, document, submitted, uploaded
from fake_stages import FakeStages
from stand_in_farm import StandInFarm
from test_api_renders import ended, serving_farm

from farm.api.watched_files import WatchedFiles
from farm.watching.file_names import TakeFile
from farm.watching.watched_take import WatchedTake
from jobs.lifecycle import JobState

HLS = "application/vnd.apple.mpegurl"


def pictures(data: bytes) -> list[np.ndarray]:
    with av.open(io.BytesIO(data)) as container:
        return [frame.to_ndarray() for frame in container.decode(video=0)]


def packets(data: bytes) -> list[bytes]:
    with av.open(io.BytesIO(data)) as container:
        return [bytes(each) for each in container.demux(audio=0)]


def whole(client: httpx.Client, address: str, rendition: str) -> bytes:
    """Header and pieces of a rendition, one after another."""
    text = client.get(f"{address}/{rendition}.m3u8").text
    header = re.findall(r'#EXT-X-MAP:URI="([^"]+)"', text)
    pieces = [line for line in text.splitlines() if not line.startswith("#")]
    return b"".join(client.get(f"{address}/{name}").content for name in [*header, *pieces])


def test_it_can_be_watched_before_it_is_done_and_is_the_master_in_the_end(
    api: Api, tmp_path: Path, write_speech: Any
) -> None:
    stages = FakeStages.in_folder(tmp_path / "slow", seconds_per_segment=0.4)
    with serving_farm(api.settings, stages), api.client() as client, api.client("south") as south:
        upload = uploaded(client, write_speech(seconds=11.2, rate=8_000).read_bytes())
        job = client.post("/v1/jobs", json=document(upload)).json()["job"]
        address = f"/v1/jobs/{job}/hls/1"
        early = client.get(f"{address}/main.m3u8")
        if early.status_code != 200:
            assert (early.status_code, early.json()["code"]) == (404, "nothing_to_watch")
            assert early.json()["retry"] == "later"
        seen = set()
        while (found := client.get(f"/v1/jobs/{job}").json())["state"] not in ("succeeded", "failed"):
            playlist = client.get(f"{address}/picture.m3u8")
            if playlist.status_code == 200 and "ENDLIST" not in playlist.text:
                seen.add(playlist.text.count("#EXTINF"))
                first = client.get(f"{address}/picture-00000.m4s")
            time.sleep(0.05)
        assert found["state"] == "succeeded", found
        assert len(seen) >= 2, "the list did not grow"
        main = client.get(f"{address}/main.m3u8")
        assert (main.status_code, main.headers["content-type"]) == (200, HLS)
        assert main.headers["cache-control"] == "private, no-cache"
        assert client.get(f"{address}/picture.m3u8").text.endswith("#EXT-X-ENDLIST\n")
        again = client.get(f"{address}/picture-00000.m4s")
        assert again.content == first.content, "what was watched early is what is there in the end"
        assert again.headers["cache-control"] == "private, immutable, max-age=31536000"
        assert again.headers["content-type"] == "video/mp4"
        assert client.get(f"{address}/sound-00000.m4s").headers["content-type"] == "audio/mp4"
        master = client.get(found["masters"][0]["url"]).content
        np.testing.assert_array_equal(pictures(whole(client, address, "picture")), pictures(master))
        assert packets(whole(client, address, "sound")) == packets(master)
        with client.stream("GET", f"{address}/picture.m3u8", headers={"Accept-Encoding": "gzip"}) as answer:
            packed = b"".join(answer.iter_raw())
        plain = client.get(f"{address}/picture.m3u8", headers={"Accept-Encoding": "identity"})
        assert answer.headers["content-encoding"] == "gzip"
        assert "content-encoding" not in plain.headers
        assert gzip.decompress(packed) == plain.content
        for name, status, code in (
            ("picture-00006.m4s", 404, "unknown_fragment"),
            ("picture-000001.m4s", 404, "unknown_fragment"),
            ("hello.wav", 422, "bad_request"),
            ("..%2F..%2Fhello.wav", 404, "unknown_address"),
        ):
            refused = client.get(f"{address}/{name}")
            assert (refused.status_code, refused.json()["code"]) == (status, code), name
        for take in (0, 2, -1):
            assert client.get(f"/v1/jobs/{job}/hls/{take}/main.m3u8").json()["code"] == "unknown_take"
        for name in ("main.m3u8", "picture.m3u8", "picture-00000.m4s", "sound-init.mp4"):
            assert south.get(f"{address}/{name}").json()["code"] == "unknown_job"


def test_a_job_that_no_farm_has_seen_has_nothing_to_watch(api: Api) -> None:
    with api.client() as client:
        job = submitted(client)
        answer = client.get(f"/v1/jobs/{job}/hls/1/main.m3u8")
    assert (answer.status_code, answer.json()["code"]) == (404, "nothing_to_watch")


def test_what_was_removed_from_the_store_is_told(
    api: Api, write_speech: Any, stages: FakeStages, tmp_path: Path
) -> None:
    with serving_farm(api.settings, stages), api.client() as client:
        upload = uploaded(client, write_speech(seconds=2.2).read_bytes())
        job = client.post("/v1/jobs", json=document(upload)).json()["job"]
        ended(client, job)
        for path in (tmp_path / "store").rglob("*.mp4"):
            path.unlink()
        answer = client.get(f"/v1/jobs/{job}/hls/1/main.m3u8")
    assert (answer.status_code, answer.json()["code"]) == (410, "segment_gone")
    assert str(tmp_path) not in answer.text


class CountedFiles:
    """Makes files slowly, and counts."""

    def __init__(self) -> None:
        self.made: list[str] = []
        self.most = 0
        self._now = 0
        self._lock = threading.Lock()

    def file(self, view: WatchedTake, name: str) -> TakeFile:
        with self._lock:
            self.made.append(name)
            self._now += 1
            self.most = max(self.most, self._now)
        time.sleep(0.1)
        with self._lock:
            self._now -= 1
        return TakeFile(content=name.encode(), media_type="video/mp4", is_list=False)


def view_of(job: str, *, listed: int = 5) -> WatchedTake:
    return WatchedTake(
        job=job,
        number=1,
        state=JobState.RUNNING,
        document_json="{}",
        job_folder="/",
        began_at=0.0,
        folder="renders/x",
        listed=listed,
        total=9,
        filled=frozenset(),
        is_ended=False,
    )


def test_a_piece_that_many_ask_for_at_once_is_made_once() -> None:
    counted = CountedFiles()
    watched = WatchedFiles(lambda: counted)

    async def many() -> list[TakeFile]:
        asked = [watched.file(view_of("a-1", listed=each), "picture-00004.m4s") for each in range(5, 9)]
        return await asyncio.gather(
            *asked,
            *(watched.file(view_of("a-1"), "picture-00004.m4s") for _ in range(100)),
            *(watched.file(view_of("b-2"), "picture-00004.m4s") for _ in range(100)),
        )

    files = asyncio.run(many())
    assert {file.content for file in files} == {b"picture-00004.m4s"}
    assert len(counted.made) == 2, "one for each job"


def test_lists_are_made_each_time_and_never_too_many_at_once() -> None:
    counted = CountedFiles()
    watched = WatchedFiles(lambda: counted)

    async def many() -> None:
        await asyncio.gather(*(watched.file(view_of(f"a-{k}"), "picture.m3u8") for k in range(30)))

    asyncio.run(many())
    assert len(counted.made) == 30
    assert counted.most <= 8


def test_a_stand_in_without_a_store_is_refused_and_not_a_fault(api: Api, farm: StandInFarm) -> None:
    with api.client() as client:
        job = submitted(client)
        farm.succeed(job)
        answer = client.get(f"/v1/jobs/{job}/hls/1/main.m3u8")
    assert (answer.status_code, answer.json()["code"]) == (410, "segment_gone")
