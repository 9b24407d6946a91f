"""A receiver of webhooks on a free port of this machine, which does what it is told to each message."""

from __future__ import annotations

import json
import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class Got:
    """One request as it came."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def told(self) -> dict[str, Any]:
        return dict(json.loads(self.body))

    @property
    def job(self) -> str:
        return str(self.told["data"]["job"])

    @property
    def sequence(self) -> int:
        return int(self.told["data"]["sequence"])


Behaviour = Callable[[Got], tuple[int, dict[str, str]]]


def takes(_got: Got) -> tuple[int, dict[str, str]]:
    return 204, {}


@dataclass(slots=True)
class ReceiverServer:
    """Answers until `stop`; `got` has every request, `taken` those that were answered with success."""

    port: int = 0
    behave: Behaviour = takes
    certified: ssl.SSLContext | None = None
    got: list[Got] = field(default_factory=list)
    taken: list[Got] = field(default_factory=list)
    _server: ThreadingHTTPServer = field(init=False)

    def __post_init__(self) -> None:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                got = Got(self.path, {name.lower(): value for name, value in self.headers.items()}, body)
                receiver.got.append(got)
                status, headers = receiver.behave(got)
                if status == 0:
                    return  # hangs up without a word
                if 200 <= status < 300:
                    receiver.taken.append(got)
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self._server.daemon_threads = True
        if self.certified is not None:
            self._server.socket = self.certified.wrap_socket(self._server.socket, server_side=True)
        self.port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def until(condition: Callable[[], bool], *, within_s: float = 20.0) -> None:
    end = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < end, "it did not come to that"
        time.sleep(0.02)
