"""A farm, and commands that reach it by its journal and by its server."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest

# These are plain modules beside the tests, not part of any package.
sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "api"))

from api_client import Api, running_api, settings_in
from stand_in_farm import StandInFarm
from two_ways import Way

from farm.api.webhook_sending import WebhookTerms


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Api]:
    terms = WebhookTerms(networks=(ip_network("127.0.0.0/8"),), look_s=0.05)
    with running_api(settings_in(tmp_path / "farm"), webhooks=terms) as running:
        yield running


@pytest.fixture
def farm(api: Api) -> Iterator[StandInFarm]:
    made = StandInFarm(api.settings.journal)
    yield made
    made.stop()


@pytest.fixture(params=["journal", "server"])
def way(
    request: pytest.FixtureRequest,
    api: Api,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Way:
    for name in ("FARM_JOURNAL", "FARM_SERVER", "FARM_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("FARM_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("FARM_CONFIG", str(tmp_path / "config"))
    if request.param == "journal":
        monkeypatch.setenv("FARM_JOURNAL", api.settings.journal)
    else:
        monkeypatch.setenv("FARM_SERVER", api.server.address)
        monkeypatch.setenv("FARM_KEY", api.key("default"))
    return Way(request.param, api, capsys)


@pytest.fixture
def write_spec(tmp_path: Path) -> Callable[..., Path]:
    def write(name: str = "hello", *, speech: str = "hello.wav", **spec: Any) -> Path:
        (tmp_path / "hello.wav").write_bytes(b"a recording")
        document = {
            "apiVersion": "farm/v1",
            "kind": "RenderJob",
            "metadata": {"name": name},
            "spec": {"speech": speech, "subject": "builtin:fake"} | spec,
        }
        path = tmp_path / f"{name}.json"
        path.write_text(json.dumps(document))
        return path

    return write
