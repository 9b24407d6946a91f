from __future__ import annotations

import os
from pathlib import Path

import pytest

from infra.settings import FarmSettings, prepare_ray_environment
from jobs.errors import SettingsError

HOME = {"HOME": "/home/studio"}
NICENESS = "RAY_worker_niceness"


def test_nothing_needs_to_be_set() -> None:
    settings = FarmSettings.from_environment(HOME)
    assert settings.cache == Path("/home/studio/.cache/moda-farm")
    assert settings.store == "/home/studio/.cache/moda-farm/store"
    assert settings.journal == "/home/studio/.cache/moda-farm/farm.sqlite"
    assert (settings.log_level, settings.ray_address, settings.ray_auth) == ("WARNING", None, "token")


def test_every_variable_is_heard() -> None:
    settings = FarmSettings.from_environment(
        {
            "FARM_STORE": "s3://bucket/farm",
            "FARM_CACHE": "/fast/cache",
            "FARM_JOURNAL": "postgresql://farm:secret@db/farm",
            "FARM_QUARANTINE": "/kept/quarantine",
            "FARM_LOG_LEVEL": "debug",
            "FARM_RAY_ADDRESS": "10.0.0.7:6379",
            "RAY_AUTH_MODE": "disabled",
            "FARM_SERVER": "https://farm.studio",
            "FARM_KEY": "moda_secret",
            "FARM_CONFIG": "/kept/config",
        }
    )
    assert settings == FarmSettings(
        store="s3://bucket/farm",
        cache=Path("/fast/cache"),
        log_level="DEBUG",
        ray_address="10.0.0.7:6379",
        ray_auth="disabled",
        journal="postgresql://farm:secret@db/farm",
        quarantine=Path("/kept/quarantine"),
        studios=Path("/fast/cache/studios"),
        server="https://farm.studio",
        key="moda_secret",
        config=Path("/kept/config"),
        is_journal_given=True,
    )
    assert "secret" not in repr(settings)


def test_cache_and_config_follow_the_desktop_convention() -> None:
    desktop = {"XDG_CACHE_HOME": "/var/cache/me", "XDG_CONFIG_HOME": "/etc/me"}
    settings = FarmSettings.from_environment({**HOME, **desktop})
    assert settings.cache == Path("/var/cache/me/moda-farm")
    assert settings.config == Path("/etc/me/moda-farm")
    assert FarmSettings.from_environment(HOME).config == Path("/home/studio/.config/moda-farm")


def test_an_empty_variable_counts_as_not_set() -> None:
    assert FarmSettings.from_environment({**HOME, "FARM_STORE": "", "RAY_AUTH_MODE": ""}) == (
        FarmSettings.from_environment(HOME)
    )


def test_relative_folders_are_made_absolute_because_actors_start_elsewhere() -> None:
    settings = FarmSettings.from_environment({"FARM_STORE": "store", "FARM_CACHE": "cache"})
    assert settings.store == str(Path.cwd() / "store")
    assert settings.cache == Path.cwd() / "cache"
    assert settings.journal == str(Path.cwd() / "cache" / "farm.sqlite")


@pytest.mark.parametrize(("name", "value"), [("FARM_LOG_LEVEL", "LOUD"), ("RAY_AUTH_MODE", "k8s-ish")])
def test_a_value_that_makes_no_sense_is_refused_by_name(name: str, value: str) -> None:
    with pytest.raises(SettingsError) as caught:
        FarmSettings.from_environment({**HOME, name: value})
    assert caught.value.where == name
    assert caught.value.hint


def test_an_embedded_cluster_gets_a_token_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    for name in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_USAGE_STATS_ENABLED"):
        # Set first, so that what the call sets is undone after the test.
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    prepare_ray_environment(auth="token", embedded=True)
    token = os.environ["RAY_AUTH_TOKEN"]
    assert len(token) == 64
    assert (os.environ["RAY_AUTH_MODE"], os.environ["RAY_USAGE_STATS_ENABLED"]) == ("token", "0")
    prepare_ray_environment(auth="token", embedded=True)
    assert os.environ["RAY_AUTH_TOKEN"] == token, "the processes of one session must agree on the token"


def test_a_cluster_elsewhere_keeps_its_own_token(monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    for name in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_USAGE_STATS_ENABLED"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    prepare_ray_environment(auth="token", embedded=False)
    assert "RAY_AUTH_TOKEN" not in os.environ


def test_workers_of_an_embedded_cluster_do_not_stand_back_behind_other_processes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv(NICENESS, raising=False)
    monkeypatch.setenv("RAY_AUTH_TOKEN", "x" * 32)
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    prepare_ray_environment(auth="token", embedded=False)
    assert NICENESS not in os.environ
    prepare_ray_environment(auth="token", embedded=True)
    assert os.environ[NICENESS] == "0"
    monkeypatch.setenv(NICENESS, "7")
    prepare_ray_environment(auth="token", embedded=True)
    assert os.environ[NICENESS] == "7"


def test_a_journal_that_nobody_else_would_see_is_none() -> None:
    with pytest.raises(SettingsError) as caught:
        FarmSettings.from_environment({"FARM_JOURNAL": ":memory:", "HOME": "/home/x"})
    assert caught.value.where == "FARM_JOURNAL"
