"""`farm login`: where the key comes from, who may read it, and which farm the commands speak with afterwards."""

from __future__ import annotations

import io
import json
import os
import shutil
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "api"))

from api_client import Api, running_api, settings_in
from stand_in_farm import farm_at

from farm.cli import main
from infra.login import Login, checked_server, kept_login
from jobs.access import Scope
from jobs.errors import ExitCode, SettingsError

KEPT = Path(__file__).resolve().parents[2] / "infra" / "kept_logins"


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Api]:
    with running_api(settings_in(tmp_path / "farm")) as running:
        yield running


@pytest.fixture(autouse=True)
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("FARM_JOURNAL", "FARM_SERVER", "FARM_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("FARM_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("FARM_CONFIG", str(tmp_path / "config"))
    return tmp_path / "config"


def log_in(monkeypatch: pytest.MonkeyPatch, address: str, key: str, *extra: str) -> int:
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{key}\n"))
    return main(["login", address, *extra])


def told(capsys: pytest.CaptureFixture[str]) -> Any:
    return json.loads(capsys.readouterr().out)


def test_a_login_is_tried_kept_for_its_user_alone_used_and_forgotten(
    api: Api, config: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    key = api.key("north", Scope.READ)
    before = os.umask(0)  # the most generous there is
    try:
        assert log_in(monkeypatch, f"{api.server.address}/", key) == ExitCode.OK
    finally:
        os.umask(before)
    out, err = capsys.readouterr()
    assert out == f"{api.server.address}: studio north, may read\n"
    assert key not in out + err
    (file,) = config.iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(config.stat().st_mode) == 0o700
    assert kept_login(config) == Login(server=api.server.address, key=key)
    assert key not in repr(kept_login(config))
    assert main(["list", "--json"]) == ExitCode.OK
    assert told(capsys) == {"ok": True, "jobs": []}
    api.journal.keys.revoke(key[5:17], by="a test")
    assert main(["list", "--json"]) == ExitCode.ACCESS
    assert told(capsys)["error"]["code"] == "key_revoked"
    assert main(["logout"]) == ExitCode.OK
    assert list(config.iterdir()) == []
    capsys.readouterr()
    assert main(["list", "--json"]) == ExitCode.INFRASTRUCTURE
    assert told(capsys)["error"]["code"] == "journal_not_found"
    assert main(["logout", "--json"]) == ExitCode.OK
    assert told(capsys)["was_kept"] is False


def test_the_key_may_come_from_the_environment(
    api: Api, config: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FARM_KEY", api.key())
    assert main(["login", api.server.address, "--json"]) == ExitCode.OK
    record = told(capsys)
    assert (record["studio"], record["scopes"]) == ("north", ["read", "write"])
    assert record["kept_in"] == str(config / "login.json")


@pytest.mark.parametrize(
    ("key", "code", "exit_code"),
    [
        ("", "usage", ExitCode.USAGE),
        ("moda_x", "key_unknown", ExitCode.ACCESS),
        ("secret words", "key_unknown", ExitCode.ACCESS),
        (f"moda_{'0' * 12}_{'A' * 43}", "key_unknown", ExitCode.ACCESS),
    ],
)
def test_a_key_that_opens_nothing_is_not_kept(
    api: Api,
    config: Path,
    key: str,
    code: str,
    exit_code: ExitCode,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert log_in(monkeypatch, api.server.address, key, "--json") == exit_code
    out = capsys.readouterr().out
    assert json.loads(out)["error"]["code"] == code
    assert not key or key not in out
    assert not config.exists()


@pytest.mark.parametrize(
    "url",
    [
        "farm.studio",
        "ftp://farm.studio",
        "https://",
        "https://me:pw@farm.studio",
        "https://farm.studio?key=x",
        "https://farm.studio:99999",
        "https://farm studio",
        "https://farm.studio/\nx",
        "",
    ],
)
def test_what_is_no_address_is_told_before_a_key_is_asked_for(
    url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert log_in(monkeypatch, url, "moda_x", "--json") == ExitCode.USAGE
    assert told(capsys)["error"]["where"] == "URL"


def test_a_server_that_does_not_answer_is_told_and_nothing_is_kept(
    config: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    key = f"moda_{'0' * 12}_{'A' * 43}"
    assert log_in(monkeypatch, "http://127.0.0.1:9", key, "--json") == ExitCode.INFRASTRUCTURE
    error = told(capsys)["error"]
    assert (error["code"], error["retry"], error["where"]) == (
        "server_unreachable",
        "later",
        "http://127.0.0.1:9",
    )
    assert not config.exists()


def test_a_kept_key_that_others_may_read_is_not_used(
    config: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    config.mkdir()
    shutil.copy(KEPT / "version-1.json", config / "login.json")
    for mode in (0o640, 0o604):
        (config / "login.json").chmod(mode)
        assert main(["list", "--json"]) == ExitCode.USAGE
        assert told(capsys)["error"]["code"] == "login_exposed"


def test_kept_logins_are_read_and_those_of_another_version_are_refused(config: Path) -> None:
    config.mkdir()
    file = config / "login.json"
    shutil.copy(KEPT / "version-1.json", file)
    file.chmod(0o600)
    login = kept_login(config)
    assert login is not None
    assert login.server == "https://farm.studio/moda"
    for body in ('{"version": "farm.login/v2", "server": "https://x", "key": "k"}', "[]", "", "\x00"):
        file.write_text(body)
        with pytest.raises(SettingsError) as caught:
            kept_login(config)
        assert caught.value.code == "login_version"


def test_what_the_environment_names_goes_before_what_is_kept(
    api: Api,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("FARM_JOURNAL", farm_at(tmp_path))
    assert log_in(monkeypatch, api.server.address, api.key()) == ExitCode.OK
    assert "FARM_JOURNAL is set and goes first" in capsys.readouterr().err
    assert main(["list", "--json"]) == ExitCode.INFRASTRUCTURE
    assert told(capsys)["error"]["code"] == "journal_not_found"
    monkeypatch.setenv("FARM_SERVER", api.server.address)
    assert main(["list", "--json"]) == ExitCode.OK, "with the key that is kept for it"
    capsys.readouterr()
    monkeypatch.setenv("FARM_SERVER", "http://127.0.0.1:9")
    assert main(["list", "--json"]) == ExitCode.ACCESS, "a key is never sent to another server"
    assert told(capsys)["error"]["code"] == "no_key"


def test_an_address_is_kept_without_its_last_slash() -> None:
    assert checked_server("https://farm.studio/moda/", where="x") == "https://farm.studio/moda"
    assert checked_server("http://[::1]:8470", where="x") == "http://[::1]:8470"
