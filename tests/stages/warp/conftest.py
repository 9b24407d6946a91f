from __future__ import annotations

import sys
from pathlib import Path

import pytest

# The posed actor is a plain module beside the tests, not part of any package.
sys.path.insert(0, str(Path(__file__).parents[1]))

from posed_actor import PosedActor


@pytest.fixture(scope="module", params=["actor-a", "actor-b", "actor-c"])
def any_actor(request: pytest.FixtureRequest) -> PosedActor:
    return PosedActor.of(request.param)


@pytest.fixture(scope="module")
def actor() -> PosedActor:
    return PosedActor.of()
