"""A whole farm in one process: real journal, real coordinator and scheduler, real encoder and store; small stages."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

# The small farm is a plain module beside the tests, not part of any package.
sys.path.insert(0, str(Path(__file__).parent))

from small_farm import SmallFarm


@pytest.fixture
def farm(tmp_path: Path) -> SmallFarm:
    return SmallFarm(tmp_path)
