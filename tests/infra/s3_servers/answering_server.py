"""A server that answers each request of S3 as a test scripts it: what a real one does where something is wrong."""

from __future__ import annotations

import email.utils
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass(frozen=True, kw_only=True)
class Answer:
    """One answer.

    Attributes:
        status: Its status.
        code: The code in its body, which an answer to HEAD does not have.
        headers: Headers beside those that every answer has.
        body: What it holds where it names no code.
    """

    status: int = 200
    code: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""

    def content(self) -> bytes:
        """The bytes of its body."""
        error = f"<?xml version='1.0'?><Error><Code>{self.code}</Code><Message>m</Message></Error>"
        return error.encode() if self.code else self.body


@dataclass
class Script:
    """How one server answers, and what it was asked.

    Attributes:
        answer: From method and path to the answer.
        ahead_s: How far its clock is ahead of this machine's, in seconds.
        tells_time: Whether answers have a date.
        asked: Method and path of each request.
    """

    answer: Callable[[str, str], Answer]
    ahead_s: float = 0.0
    tells_time: bool = True
    asked: list[str] = field(default_factory=list)
    url: str = ""


@contextmanager
def answering_server(script: Script) -> Iterator[Script]:
    """A server on a free port of this machine, for the length of a block."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            """Say nothing."""

        def date_time_string(self, timestamp: float | None = None) -> str:
            return email.utils.formatdate(time.time() + script.ahead_s, usegmt=True)

        def send_response(self, code: int, message: str | None = None) -> None:
            self.send_response_only(code, message)
            if script.tells_time:
                self.send_header("Date", self.date_time_string())

        def answered(self) -> None:
            script.asked.append(f"{self.command} {self.path}")
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            answer = script.answer(self.command, self.path)
            self.send_response(answer.status)
            for name, value in {"Content-Length": str(len(answer.content())), **answer.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(answer.content())

        do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = answered

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    script.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield script
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
