"""Servers that answer every request of S3 with a redirect, as a proxy before an S3 server does, or Amazon itself."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

HTML = b"<html>\n<head><title>301 Moved Permanently</title></head>\n<center><hr>nginx</html>"


@dataclass
class Redirects:
    """How one server answers, and what it was asked.

    Attributes:
        status: Of every answer that redirects.
        location: Its header; the path of the request is added where it ends without a slash. None sends no header.
        body: Of the answer, except to HEAD.
        region: Where the bucket is: requests that are signed for it get an empty object, others a redirect that names
            it; no region is ever right with an empty one.
        asked: Method and path of each request.
    """

    status: int = 301
    location: str | None = "https://s3.studio.example"
    body: bytes = HTML
    region: str = ""
    asked: list[str] = field(default_factory=list)
    url: str = ""


@contextmanager
def redirecting_server(redirects: Redirects) -> Iterator[Redirects]:
    """A server on a free port of this machine, for the length of a block."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            """Say nothing."""

        def answer(self) -> None:
            redirects.asked.append(f"{self.command} {self.path}")
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            signed = re.search(r"Credential=[^/]+/\d+/([^/]+)/", self.headers.get("Authorization", ""))
            if redirects.region and signed and signed[1] == redirects.region:
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            self.send_response(redirects.status)
            if redirects.location is not None:
                self.send_header("Location", redirects.location + self.path)
            if redirects.region:
                self.send_header("x-amz-bucket-region", redirects.region)
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", str(len(redirects.body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(redirects.body)

        do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = answer

    class Server(ThreadingHTTPServer):
        def handle_error(self, request: object, client_address: object) -> None:
            """A client that goes away is no error of the test."""

    server = Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    redirects.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield redirects
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
