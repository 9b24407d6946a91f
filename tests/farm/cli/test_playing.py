"""`farm watch --play` by both ways, with a player of a few lines: the farm, the store and the sockets are real."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from api_client import Api
from fake_stages import FakeStages
from stand_in_farm import StandInFarm
from test_api_renders import serving_farm
from two_ways import Way

from jobs.errors import ExitCode, SegmentFailed

# Notes every file that it asks for, as hls.js does: lists again and again, pieces once.
PLAYER = """#!{python}
import json, sys, time, urllib.request
address = sys.argv[-1]
folder = address.rpartition("/")[0]
def get(name):
    with urllib.request.urlopen(f"{{folder}}/{{name}}") as answer:
        return answer.read()
seen = {{"arguments": sys.argv[1:], "main": get("main.m3u8").decode(), "lengths": [], "pieces": {{}}}}
text = ""
while "ENDLIST" not in text:
    text = get("picture.m3u8").decode()
    seen["lengths"].append(text.count("EXTINF"))
    for name in ["picture-init.mp4", *(line for line in text.splitlines() if line and line[0] != "#")]:
        seen["pieces"].setdefault(name, len(get(name)))
    time.sleep(0.05)
with open({notes!r}, "w") as file:
    json.dump(seen, file)
"""


@pytest.fixture
def player(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the player notes what it saw; it is the only one of this machine."""
    folder, notes = tmp_path / "bin", tmp_path / "seen.json"
    folder.mkdir()
    script = folder / "ffplay"
    script.write_text(PLAYER.format(python=sys.executable, notes=str(notes)))
    script.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))
    return notes


@pytest.fixture
def rendering(
    api: Api, way: Way, tmp_path: Path, write_speech: Any, monkeypatch: pytest.MonkeyPatch
) -> Iterator[str]:
    """A job on a farm that renders it slowly; gives its name."""
    monkeypatch.setenv("FARM_STORE", api.settings.store)
    monkeypatch.setenv("FARM_STUDIOS", str(api.settings.studios))
    spec = tmp_path / "hello.json"
    write_speech(seconds=4.2)
    spec.write_text(
        json.dumps(
            {
                "apiVersion": "farm/v1",
                "kind": "RenderJob",
                "metadata": {"name": "hello"},
                "spec": {"speech": "hello.wav", "subject": "builtin:fake"},
            }
        )
    )
    with serving_farm(api.settings, FakeStages.in_folder(tmp_path / "slow-stages", seconds_per_segment=0.3)):
        assert way.run("submit", spec) == ExitCode.OK, way.err
        yield way.out.strip()


def test_a_player_shows_it_from_its_first_segment_to_its_last(way: Way, player: Path, rendering: str) -> None:
    assert way.run("watch", rendering, "--play") == ExitCode.OK, way.err
    seen = json.loads(player.read_text())
    assert seen["arguments"][:-1] == ["-loglevel", "error", "-autoexit", "-live_start_index", "0"]
    assert f"ffplay plays {seen['arguments'][-1]}" in way.err
    assert 'CODECS="avc1.' in seen["main"]
    assert (seen["lengths"][0] < 3, seen["lengths"][-1]) == (True, 3), "it was not watched before its end"
    assert seen["lengths"] == sorted(seen["lengths"])
    assert len(seen["pieces"]) == 4
    # What a player is told opens nothing once the command is over.
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(seen["arguments"][-1], timeout=5)


def test_without_a_player_the_address_is_told_and_answers(
    way: Way, rendering: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    answered: list[Any] = []

    def look() -> None:
        """Read the address as a person would, open it, and press Ctrl-C at the end."""
        for _ in range(600):
            told = way.capture.readouterr()
            heard.append(told.err)
            text = "".join(heard).replace("\n", " ")
            if "Ctrl-C ends it" in text:
                break
            time.sleep(0.1)
        address = text.split("open ")[1].split()[0]
        with urllib.request.urlopen(address) as answer:
            answered.append((answer.headers["Content-Type"], answer.read()))
        for wrong in (
            address.replace("main.m3u8", "hello.wav"),
            address.replace("main", "picture-99999"),
            f"{address.rpartition('/')[0][:-3]}/main.m3u8",
        ):
            try:
                urllib.request.urlopen(wrong)
            except urllib.error.HTTPError as error:
                answered.append(error.code)
        os.kill(os.getpid(), signal.SIGINT)

    heard: list[str] = []
    person = threading.Thread(target=look)
    person.start()
    way.capture.readouterr()
    from farm.cli import main

    code = main(["watch", rendering, "--play"])
    person.join()
    assert code == ExitCode.OK
    media_type, content = answered[0]
    assert media_type == "application/vnd.apple.mpegurl"
    assert content.startswith(b"#EXTM3U")
    assert answered[1:] == [404, 404, 404]
    assert "no player is installed (mpv, ffplay, vlc)" in "".join(heard).replace("\n", " ")


def test_a_job_with_nothing_to_see_ends_as_it_would_without(
    way: Way, farm: StandInFarm, write_spec: Any, player: Path
) -> None:
    way.run("submit", write_spec())
    farm.fail("hello-1", SegmentFailed("tripped", where="take 1, segment 0"))
    assert way.run("watch", "hello-1", "--play") == ExitCode.RENDER
    assert "it cannot be played: [nothing_to_watch]" in way.err.replace("\n", " ")
    assert not player.exists()
    assert way.run("watch", "hello-1", "--play", "--take", "2") == ExitCode.RENDER
    assert "[unknown_take]" in way.err
    assert way.told("watch", "nobody-7", "--play")[1]["error"]["code"] == "unknown_job"
