"""The embedded cluster is real Ray, started in a process of its own so that no other test sees it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from infra.cluster import connected_cluster
from jobs.errors import ClusterUnavailable, SettingsError

ROOT = Path(__file__).parents[2]


def run(script: str) -> dict[str, Any]:
    """The JSON object on the last line of what the script prints; anything else it says is a failure."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == "", "the embedded cluster must be quiet"
    (line,) = done.stdout.splitlines()
    answer: dict[str, Any] = json.loads(line)
    return answer


@pytest.mark.ray
def test_an_embedded_cluster_starts_quietly_with_a_token_and_ends_with_its_block() -> None:
    answer = run("""
import dataclasses, json, os
from infra.cluster import connected_cluster
with connected_cluster(logical_cpus=3, logical_gpus=2) as cluster:
    import ray
    @ray.remote(num_cpus=1)
    def seen():
        print("a line that must not reach the driver")
        return os.environ.get("RAY_AUTH_MODE"), bool(os.environ.get("RAY_AUTH_TOKEN"))
    inside = ray.get(seen.remote())
    with connected_cluster() as again:
        nested = again.is_embedded
    still_open = ray.is_initialized()
print(json.dumps({**dataclasses.asdict(cluster), "inside": inside, "nested": nested, "still_open": still_open,
                  "after": ray.is_initialized()}))
""")
    assert (answer["cpus"], answer["gpus"], answer["nodes"]) == (3.0, 2.0, 1)
    assert answer["is_embedded"]
    assert answer["inside"] == ["token", True]
    assert not answer["nested"], "a connection that exists is used as it is"
    assert answer["still_open"], "and left open"
    assert not answer["after"]


def test_a_cluster_that_does_not_answer_is_reported_at_once() -> None:
    with pytest.raises(ClusterUnavailable) as caught, connected_cluster(address="127.0.0.1:9"):
        pass
    assert caught.value.where == "127.0.0.1:9"
    assert "FARM_RAY_ADDRESS" in caught.value.hint


@pytest.mark.parametrize("address", ["auto", "ray://head:10001", "head", "head:", ":6379", "head:port"])
def test_an_address_that_is_not_host_and_port_is_refused(address: str) -> None:
    with pytest.raises(SettingsError), connected_cluster(address=address):
        pass
