"""Jobs in one piece on the page, over HTTP and by the client: their kind, how far they are, and what they made."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest
from page_client import RunningPage
from written_farm import WrittenFarm

from farm.cli.connections.server_connection import ServerConnection
from infra.login import Login
from moda_client import Client, FarmRefused

PREPARE = {
    "clip": "/mnt/reel/secret-place/jane.mp4",
    "consent": "jane.pdf",
    "output": {"uri": "/mnt/reel/subjects/jane"},
}


def prepared(farm: WrittenFarm, *, is_done: bool) -> str:
    job = farm.receive_whole("PrepareJob", "jane", **PREPARE)
    farm.get_on(job, "track", 412, 1500)
    if is_done:
        farm.make(job, "/mnt/reel/subjects/jane", told=("the clip is short",))
    return job


def test_a_list_tells_kind_and_step(page: RunningPage, farm: WrittenFarm) -> None:
    prepared(farm, is_done=False)
    farm.receive("film")
    with page.visitor() as client:
        html = client.get("/jobs").text
    assert "· prepare" in html
    assert "412 of 1500" in html
    assert "0 of 6 segments" in html


def test_its_page_has_no_segments_and_says_what_it_made(page: RunningPage, farm: WrittenFarm) -> None:
    job = prepared(farm, is_done=False)
    with page.visitor() as client:
        html = client.get(f"/jobs/{job}").text
        assert "track, 412 of 1500" in html
        assert "Nothing yet" in html
        assert "segments-title" not in html
        assert "Make another like it" not in html
        farm.make(job, "/mnt/reel/subjects/jane", told=("the clip is short",))
        html = client.get(f"/jobs/{job}").text
        assert "<li>jane</li>" in html
        assert "the clip is short" in html
        assert "secret-place" not in html
        assert client.get(f"/jobs/{job}/hls/1/main.m3u8").status_code == 404


def test_the_api_and_its_client_tell_the_same(page: RunningPage, farm: WrittenFarm) -> None:
    job, key = prepared(farm, is_done=False), page.key()
    headers = {"Authorization": f"Bearer {key}"}
    with Client(page.address, key=key) as client:
        work = client.job(job).work
    assert work is not None
    assert (work.step, work.done, work.total) == ("track", 412, 1500)
    farm.make(job, "/mnt/reel/subjects/jane", told=("the clip is short",))
    told = httpx.get(f"{page.address}/v1/jobs/{job}", headers=headers, timeout=20).json()
    assert (told["kind"], told["work"]) == ("PrepareJob", None), "what is done is not so far"
    assert (told["made"], told["takes"], told["masters"]) == (["jane"], 0, [])
    assert told["document"]["spec"]["clip"] == "jane.mp4"
    with Client(page.address, key=key) as client:
        one = client.job(job)
        assert (one.kind, one.made, one.seconds) == ("PrepareJob", ("jane",), 12.5)
        assert one.work is None
        kinds = [event.kind for event in client.watch(job, after=0)]
    assert kinds[-3:] == ["work advanced", "work done", "moved"]


def test_a_command_by_a_server_tells_it_as_well(page: RunningPage, farm: WrittenFarm) -> None:
    job = prepared(farm, is_done=False)
    server = ServerConnection(Login(server=page.address, key=page.key()), patience_s=5.0)
    view = server.job(job)
    assert (view.kind, str(view.work), view.made) == ("PrepareJob", "track 412/1500", ())
    server.close()


def test_over_the_network_it_is_not_handed_in(page: RunningPage, farm: WrittenFarm, tmp_path: Path) -> None:
    document = {"apiVersion": "farm/v1", "kind": "PrepareJob", "metadata": {"name": "jane"}, "spec": PREPARE}
    with Client(page.address, key=page.key()) as client, pytest.raises(FarmRefused) as refused:
        client.submit(document)
    assert "PrepareJob" in str(refused.value)
