"""The embedded cluster is real Ray, started in a process of its own so that no other test sees it."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from infra.cluster import connected_cluster
from infra.settings import ray_folder
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


@pytest.fixture
def temporary(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of temporary files, of a name that is short enough for sockets."""
    with tempfile.TemporaryDirectory(prefix="farm-", dir="/tmp") as folder:
        monkeypatch.delenv("RAY_TMPDIR", raising=False)
        monkeypatch.setenv("TMPDIR", folder)
        yield Path(folder)


@pytest.mark.ray
def test_an_embedded_cluster_starts_quietly_with_a_token_and_ends_with_its_block(
    temporary: Path,
) -> None:
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
    assert list(temporary.iterdir()) == [], "neither logs nor sockets are left"


@pytest.mark.ray
@pytest.mark.parametrize("watched", [False, True], ids=["alone", "beside another thread"])
def test_sigterm_while_the_cluster_starts_is_for_whoever_opened_it(temporary: Path, watched: bool) -> None:
    script = """
import signal, sys, threading, time
from infra.cluster import connected_cluster
def interrupt(*_):
    raise KeyboardInterrupt
signal.signal(signal.SIGTERM, interrupt)
if sys.argv[1] == "True":
    threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
try:
    with connected_cluster(logical_cpus=1):
        time.sleep(60)
except KeyboardInterrupt:
    print("interrupted")
"""
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", script, str(watched)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    until = time.monotonic() + 60
    while not list(temporary.glob("ray/session_*/sockets/*")) and time.monotonic() < until:
        time.sleep(0.01)
    process.terminate()
    out, err = process.communicate(timeout=60)
    assert (out, err, process.returncode) == ("interrupted\n", "", 0)
    assert list(temporary.iterdir()) == []


@pytest.mark.parametrize("variable", ["TMPDIR", "RAY_TMPDIR"])
@pytest.mark.parametrize("size", [40, 107, 200])
def test_a_folder_of_too_long_a_name_for_sockets_is_told_before_ray_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str, size: int
) -> None:
    monkeypatch.setenv(variable, "/" + "é" * ((size - 1) // 2) + "x" * ((size - 1) % 2))
    with pytest.raises(SettingsError) as caught, connected_cluster():
        pass
    assert caught.value.where == variable
    assert "39 bytes" in caught.value.message
    assert f"set {variable} to a shorter folder" in caught.value.hint
    monkeypatch.setenv(variable, "/" + "x" * 38)
    assert ray_folder() == Path("/" + "x" * 38, "ray")


def test_a_cluster_that_does_not_answer_is_reported_at_once() -> None:
    with pytest.raises(ClusterUnavailable) as caught, connected_cluster(address="127.0.0.1:9"):
        pass
    assert caught.value.where == "127.0.0.1:9"
    assert "FARM_RAY_ADDRESS" in caught.value.hint


@pytest.mark.parametrize("address", ["auto", "ray://head:10001", "head", "head:", ":6379", "head:port"])
def test_an_address_that_is_not_host_and_port_is_refused(address: str) -> None:
    with pytest.raises(SettingsError), connected_cluster(address=address):
        pass
