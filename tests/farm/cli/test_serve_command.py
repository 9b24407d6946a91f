"""`farm serve` and `farm key`: the commands as a user gives them."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from receiver import Got, ReceiverServer, takes, until
from stand_in_farm import StandInFarm, farm_at

from farm.cli import main
from infra.journal import open_journal
from jobs.errors import ExitCode

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(autouse=True)
def journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("FARM_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("FARM_JOURNAL", farm_at(tmp_path))
    return farm_at(tmp_path)


@contextmanager
def api_only(*extra: str, shows_key: bool) -> Iterator[tuple[subprocess.Popen[str], str, str]]:
    """A process of the API; gives its address and the key that it showed."""
    with subprocess.Popen(
        [sys.executable, "-m", "farm", "serve", "--api-only", "--port", "0", *extra],
        cwd=ROOT,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stderr is not None
            first = process.stderr.readline()
            assert first.startswith("serving at http://"), first + process.stderr.read()
            yield process, first.split()[-1], process.stdout.readline().strip() if shows_key else ""
        finally:
            process.terminate()
            rest = process.communicate(timeout=30)
            assert "moda_" not in "".join(rest)


def test_the_api_alone_shows_a_first_key_answers_and_ends_with_a_signal(journal: str) -> None:
    with api_only(shows_key=True) as (process, address, key):
        headers = {"Authorization": f"Bearer {key}"}
        assert httpx.get(f"{address}/v1/jobs", headers=headers).json() == {"jobs": [], "next_cursor": None}
        assert httpx.get(f"{address}/v1/keys", headers=headers).status_code == 200
        assert httpx.get(f"{address}/v1/ready").status_code == 503
        with httpx.stream("GET", f"{address}/v1/events", headers=headers) as events:
            assert next(events.iter_lines()) is not None
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) == ExitCode.INTERRUPTED
    kept = open_journal(journal)
    assert len(kept.keys.all()) == 1
    kept.close()


def test_what_one_process_was_told_another_knows_after_it_was_killed(journal: str, tmp_path: Path) -> None:
    farm = StandInFarm(journal)
    try:
        with api_only(shows_key=True) as (process, address, key):
            headers = {"Authorization": f"Bearer {key}", "Idempotency-Key": "k"}
            upload = httpx.post(f"{address}/v1/uploads", headers=headers, content=b"sound").json()["uri"]
            job = {
                "apiVersion": "farm/v1",
                "kind": "RenderJob",
                "metadata": {"name": "hello"},
                "spec": {"speech": upload, "subject": "builtin:actor-a"},
            }
            first = httpx.post(f"{address}/v1/jobs", headers=headers, json=job).json()["job"]
            process.kill()
        # A farm that has a key shows none.
        with api_only(shows_key=False) as (_, address, _):
            assert httpx.post(f"{address}/v1/jobs", headers=headers, json=job).json()["job"] == first
    finally:
        farm.stop()
    assert len(farm.requests) == 1


@pytest.mark.chaos
@pytest.mark.timeout(300)
def test_what_a_killed_process_was_telling_a_receiver_another_tells_it_again(journal: str) -> None:
    """It takes the minute and a half for which a message is its sender's alone."""
    is_asked, allowed = threading.Event(), ("--webhook-network", "127.0.0.0/8")

    def holds(_got: Got) -> tuple[int, dict[str, str]]:
        is_asked.set()
        time.sleep(3)
        return 0, {}

    farm = StandInFarm(journal)
    try:
        with ReceiverServer(behave=holds) as receiver:
            with api_only(*allowed, shows_key=True) as (process, address, key):
                client = httpx.Client(base_url=address, headers={"Authorization": f"Bearer {key}"})
                assert client.post("/v1/webhooks", json={"url": receiver.url}).status_code == 201
                speech = client.post("/v1/uploads", content=b"sound").json()["uri"]
                job = {
                    "apiVersion": "farm/v1",
                    "kind": "RenderJob",
                    "metadata": {"name": "hello"},
                    "spec": {"speech": speech, "subject": "builtin:actor-a"},
                }
                name = client.post("/v1/jobs", json=job).json()["job"]
                assert is_asked.wait(20)
                process.kill()
            receiver.behave = takes
            farm.succeed(name)
            with api_only(*allowed, shows_key=False):
                until(lambda: _is_told_all(receiver), within_s=150)
            sequences = [got.sequence for got in receiver.taken]
            assert sequences == sorted(set(sequences))
            assert receiver.got[0].headers["webhook-id"] == receiver.taken[0].headers["webhook-id"]
    finally:
        farm.stop()


def _is_told_all(receiver: ReceiverServer) -> bool:
    return any(got.told["data"].get("after") == "succeeded" for got in receiver.taken)


def test_a_port_that_is_taken_is_told_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        assert main(["serve", "--api-only", "--port", port, "--json"]) == ExitCode.USAGE
    error = json.loads(capsys.readouterr().out)["error"]
    assert (error["code"], error["where"]) == ("address_taken", f"127.0.0.1:{port}")


@pytest.mark.parametrize("extra", [["farm.yaml"], ["--replicas", "2"], ["--until-done"]])
def test_the_api_alone_takes_nothing_that_belongs_to_the_farm(extra: list[str], capsys: Any) -> None:
    assert main(["serve", "--api-only", *extra]) == ExitCode.USAGE
    assert "--api-only" in capsys.readouterr().err


@pytest.mark.parametrize("extra", [[], ["examples/farm.yaml", "--until-done"], ["--store", "x"]])
def test_the_former_name_is_refused_with_the_new_one(extra: list[str], capsys: Any) -> None:
    assert main(["run", *extra]) == ExitCode.USAGE
    err = capsys.readouterr().err
    assert "[renamed]" in err
    assert "farm serve" in err
    assert main(["--help"]) == ExitCode.OK
    assert "│ run " not in capsys.readouterr().out


def test_a_serve_without_its_packages_says_how_to_install_them(
    monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.setattr("farm.cli.serve._SERVER_EXTRA", ("fastapi", "a_package_that_is_not_there"))
    assert main(["serve", "--json"]) == ExitCode.USAGE
    error = json.loads(capsys.readouterr().out)["error"]
    assert (error["code"], error["hint"][:12]) == ("server_extra_missing", "make install")


def test_a_key_is_made_listed_and_revoked(journal: str, capsys: Any) -> None:
    assert main(["key", "create", "--studio", "north", "--label", "nightly", "--days", "2"]) == ExitCode.OK
    out, err = capsys.readouterr()
    (text,) = out.split()
    assert text.startswith("moda_")
    assert text not in err
    assert main(["key", "create", "--studio", "south", "--scope", "read", "--json"]) == ExitCode.OK
    second = json.loads(capsys.readouterr().out)
    assert (second["scopes"], second["expires_at"], second["state"]) == (["read"], None, "active")
    kept = open_journal(journal)
    key = kept.keys.find(text)
    kept.close()
    assert key is not None
    assert key.expires_at is not None
    assert 1.9 < (key.expires_at - time.time()) / 86_400 < 2.1
    assert main(["key", "revoke", key.key_id]) == ExitCode.OK
    capsys.readouterr()
    assert main(["key", "list", "--json"]) == ExitCode.OK
    listed = capsys.readouterr().out
    assert [each["state"] for each in json.loads(listed)["keys"]] == ["revoked", "active"]
    assert text not in listed
    assert second["key"] not in listed
    assert main(["key", "list"]) == ExitCode.OK
    assert "nightly" in capsys.readouterr().out
    assert main(["key", "list", "--changes", "--json"]) == ExitCode.OK
    changes = json.loads(capsys.readouterr().out)["changes"]
    assert [change["what"] for change in changes] == ["created", "created", "revoked"]
    assert main(["key", "revoke", "nobody", "--json"]) == ExitCode.USAGE
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "unknown_key"


@pytest.mark.parametrize(
    "wrong",
    [
        ["--studio", "../x"],
        ["--studio", "north", "--scope", "all"],
        ["--studio", "north", "--days", "0"],
        ["--studio", "north", "--label", "two\nlines"],
    ],
)
def test_a_key_that_cannot_be_is_refused(wrong: list[str], journal: str) -> None:
    assert main(["key", "create", *wrong]) == ExitCode.USAGE
    assert not Path(journal).exists()
