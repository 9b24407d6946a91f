"""A farm whose takes are watched; see `tests/farm/coordination`."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "coordination"))

from small_farm import SmallFarm

SECONDS = 4.66
"""Of speech: two segments of 50 frames, and one of 17."""


@pytest.fixture
def farm(tmp_path: Path) -> SmallFarm:
    made = SmallFarm(tmp_path / "farm")
    made.speak("hello.wav", seconds=SECONDS)
    return made
