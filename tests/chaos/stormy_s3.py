"""An S3 server behind a proxy that does to requests what networks and busy servers do, for replicas and coordinator."""

from __future__ import annotations

import logging
import os
import random
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from bucket_audit import direct_client, objects_in, open_uploads
from fault_proxy import FaultProxy, Kind, Request, fault_proxy
from rclone_server import ACCESS_KEY, SECRET_KEY

# Of a hundred requests, so many meet a fault of their own; every two hundredth begins a burst of refusals.
SHARE = 0.1
BURST_SHARE = 0.005
BURST_LENGTH = 12
_FAULTS = {
    "any": [Kind.SLOW_DOWN, Kind.INTERNAL_ERROR, Kind.RESET_BEFORE],
    "put": [Kind.RESET_AFTER, Kind.RESET_AFTER, Kind.CONFLICT],
    "get": [Kind.TRUNCATED, Kind.TRUNCATED, Kind.RESET_AFTER],
}


class StormyS3:
    """A server, and the weather before it."""

    def __init__(self, proxy: FaultProxy, client: Any) -> None:
        self.proxy, self._client = proxy, client

    def bucket(self) -> str:
        """An empty bucket; returns its name."""
        name = f"storm-{secrets.token_hex(6)}"
        self._client.create_bucket(Bucket=name)
        return name

    def storm(self, *, seed: int) -> None:
        """Faults from now on, drawn with a seed, but each kind that is promised strikes the first it can."""
        chance, left = random.Random(seed), [0]
        owed = {"get": [Kind.TRUNCATED], "put": [Kind.RESET_AFTER, Kind.RESET_BEFORE, Kind.SLOW_DOWN]}

        def choose(request: Request) -> Kind | None:
            if left[0]:
                left[0] -= 1
                return Kind.SLOW_DOWN
            if owed.get(request.operation):
                return owed[request.operation].pop()
            if chance.random() < BURST_SHARE:
                left[0] = BURST_LENGTH
            if chance.random() >= SHARE:
                return None
            return chance.choice(_FAULTS["any"] + _FAULTS.get(request.operation, []))

        self.calm()
        self.proxy._draw = choose

    def calm(self) -> None:
        """No more faults; those that were counted are forgotten when the next storm begins."""
        self.proxy._draw = None

    def leftovers(self, bucket: str, *, kills: int) -> tuple[str, ...]:
        """Uploads that were neither completed nor aborted, and temporary objects, as far as they break the promise.

        A process that is killed while it asks the server for its manners leaves the empty object that it asked with.
        """
        probes = [key for key in objects_in(self._client, bucket) if "/.farm-" in key]
        left = open_uploads(self._client, bucket) + (probes if len(probes) > kills else [])
        return tuple(f"left in the bucket: {name}" for name in left)


@contextmanager
def stormy_s3() -> Iterator[StormyS3]:
    """The server and its proxy; processes that are started in the block find it through their environment."""
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    before = dict(os.environ)
    try:
        with fault_proxy(f"http://{host}:{port}") as (proxy, address):
            for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL_S3"):
                os.environ.pop(name, None)
            os.environ["AWS_ENDPOINT_URL"] = address
            os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"] = ACCESS_KEY, SECRET_KEY
            os.environ["AWS_DEFAULT_REGION"] = "us-east-1"
            yield StormyS3(proxy, direct_client(f"http://{host}:{port}"))
    finally:
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            del os.environ[name]
        os.environ.update({name: value for name, value in before.items() if name.startswith("AWS_")})
        server.stop()
