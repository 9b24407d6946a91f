"""A farm's API for its client to speak with; see `tests/farm/api`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "farm"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "farm" / "api"))

from api_client import Api, running_api, settings_in
from stand_in_farm import StandInFarm


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Api]:
    with running_api(settings_in(tmp_path / "farm")) as running:
        yield running


@pytest.fixture
def farm(api: Api) -> Iterator[StandInFarm]:
    made = StandInFarm(api.settings.journal)
    yield made
    made.stop()
