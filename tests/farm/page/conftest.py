"""A running farm's page, and a farm that writes into its journal what a test says."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

# Plain modules beside the tests, not part of any package.
sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "api"))

from page_client import RunningPage, running_page
from written_farm import WrittenFarm


@pytest.fixture
def page(tmp_path: Path) -> Iterator[RunningPage]:
    with running_page(tmp_path) as running:
        yield running


@pytest.fixture
def farm(page: RunningPage) -> Iterator[WrittenFarm]:
    made = WrittenFarm(page.settings.journal, page.settings.studios)
    yield made
    made.close()
