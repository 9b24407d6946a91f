"""A running API beside a farm of a few lines."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

# The client is a plain module beside the tests, not part of any package.
sys.path.insert(0, str(Path(__file__).parent))

from api_client import Api, running_api, settings_in
from stand_in_farm import StandInFarm


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Api]:
    with running_api(settings_in(tmp_path)) as running:
        yield running


@pytest.fixture
def farm(api: Api) -> Iterator[StandInFarm]:
    made = StandInFarm(api.settings.journal)
    yield made
    made.stop()
