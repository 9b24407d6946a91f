"""One cluster for each module of chaos tests; each test has a farm of its own on it, which leaves nothing behind."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

# The helpers are plain modules beside the tests, not part of any package.
sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parent.parent / "farm"))
sys.path.insert(0, str(Path(__file__).parent.parent / "farm" / "coordination"))
sys.path.insert(0, str(Path(__file__).parent.parent / "farm" / "execution" / "pools"))

from stormy_cluster import StormyCluster, stormy_cluster
from stormy_s3 import StormyS3, stormy_s3


@pytest.fixture(scope="module")
def s3() -> Iterator[StormyS3]:
    """Calm unless a test wants a storm. The cluster needs its address when it starts."""
    pytest.importorskip("moto.server", reason="moto[server] is not installed")
    with stormy_s3() as server:
        yield server


@pytest.fixture(scope="module")
def cluster(s3: StormyS3) -> Iterator[StormyCluster]:
    with stormy_cluster() as running:
        yield running
