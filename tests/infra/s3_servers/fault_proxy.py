"""A proxy between a client and an S3 server that does, when asked, what networks and servers do to requests."""

from __future__ import annotations

import http.client
import random
import socket
import struct
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit


class Kind(StrEnum):
    """What happens to a request."""

    SLOW_DOWN = "503 SlowDown"
    INTERNAL_ERROR = "500 InternalError"
    RESET_BEFORE = "reset before it is forwarded"
    RESET_AFTER = "reset after it was forwarded"
    DELAY = "delay"
    TRUNCATED = "body of the answer truncated"
    CORRUPTED = "body of the answer corrupted"
    CORRUPTED_REQUEST = "body of the request corrupted"
    CONFLICT = "409 ConditionalRequestConflict"
    PRECONDITION_FAILED = "412 PreconditionFailed"
    EMPTY_LIST = "empty listing"
    STALE_LIST = "old listing"
    NOT_IMPLEMENTED = "501 NotImplemented"
    NO_XML = "an answer that is no XML"
    ERROR_WITH_CHECKSUM = "500 InternalError with the checksum of a body"


_ANSWERS = {
    Kind.SLOW_DOWN: (503, "SlowDown"),
    Kind.INTERNAL_ERROR: (500, "InternalError"),
    Kind.NOT_IMPLEMENTED: (501, "NotImplemented"),
    Kind.CONFLICT: (409, "ConditionalRequestConflict"),
    Kind.PRECONDITION_FAILED: (412, "PreconditionFailed"),
}


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault that meets requests.

    Attributes:
        kind: What happens.
        operation: Which requests: put, get, head, list, delete, create, part, complete, abort, uploads; or any.
        times: How many of them.
        key: Part of the keys that are meant.
    """

    kind: Kind
    operation: str = "any"
    times: int = 1
    key: str = ""


@dataclass(frozen=True, slots=True)
class Request:
    """A request as the proxy sees it."""

    method: str
    target: str
    headers: list[tuple[str, str]]
    body: bytes

    @property
    def operation(self) -> str:
        query = parse_qs(urlsplit(self.target).query, keep_blank_values=True)
        if "uploadId" in query:
            return {"PUT": "part", "POST": "complete", "DELETE": "abort"}[self.method]
        if "uploads" in query:
            return "create" if self.method == "POST" else "uploads"
        if "list-type" in query:
            return "list"
        return self.method.lower()

    @property
    def key(self) -> str:
        return unquote(urlsplit(self.target).path)


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: list[tuple[str, str]]
    body: bytes


Choose = Callable[[Request], "Kind | None"]


class FaultProxy:
    """Forwards requests to a server; faults are planned for the next ones, or drawn for each."""

    def __init__(self, server: str) -> None:
        self._server = urlsplit(server)
        self._lock = threading.Lock()
        self._planned: list[Fault] = []
        self._left: list[int] = []
        self._draw: Choose | None = None
        self._lists: dict[str, Answer] = {}
        self.requests: list[str] = []
        self.faults: Counter[Kind] = Counter()

    def plan(self, *faults: Fault) -> None:
        """Only these faults from now on."""
        with self._lock:
            self._planned, self._left = list(faults), [fault.times for fault in faults]
            self._draw = None
            self.requests.clear()
            self.faults.clear()

    def draw(self, *, seed: int, share: float, kinds: dict[str, list[Kind]]) -> None:
        """A share of the requests meets a fault, one of those that can happen to its operation ("any": to all)."""
        source = random.Random(seed)

        def choose(request: Request) -> Kind | None:
            if source.random() >= share:
                return None
            return source.choice(kinds["any"] + kinds.get(request.operation, []))

        self.plan()
        with self._lock:
            self._draw = choose

    def fault_for(self, request: Request) -> Kind | None:
        """What happens to a request."""
        with self._lock:
            self.requests.append(request.operation)
            kind = self._draw(request) if self._draw else self._next_planned(request)
            if kind is not None:
                self.faults[kind] += 1
            return kind

    def _next_planned(self, request: Request) -> Kind | None:
        for index, fault in enumerate(self._planned):
            fits = fault.operation in (request.operation, "any") and fault.key in request.key
            if fits and self._left[index] > 0:
                self._left[index] -= 1
                return fault.kind
        return None

    def forward(self, request: Request) -> Answer:
        """The server's answer."""
        connection = http.client.HTTPConnection(self._server.hostname or "", self._server.port, timeout=30)
        try:
            # Host stays what the client signed.
            connection.putrequest(request.method, request.target, skip_host=True, skip_accept_encoding=True)
            for name, value in request.headers:
                if name.lower() not in ("expect", "connection"):
                    connection.putheader(name, value)
            connection.endheaders(request.body)
            answer = connection.getresponse()
            drop = ("connection", "transfer-encoding", "content-length")
            headers = [(name, value) for name, value in answer.getheaders() if name.lower() not in drop]
            body = answer.read()
            length = answer.headers.get("Content-Length", "0") if request.method == "HEAD" else str(len(body))
            return Answer(answer.status, [*headers, ("Content-Length", length)], body)
        finally:
            connection.close()

    def answer(self, request: Request, kind: Kind | None) -> Answer | None:
        """What the client gets; None for a connection that is reset."""
        if kind in _ANSWERS:
            return _refusal(*_ANSWERS[kind])
        if kind is Kind.ERROR_WITH_CHECKSUM:
            refusal = _refusal(500, "InternalError")
            return Answer(
                refusal.status, [*refusal.headers, ("x-amz-checksum-crc32", "AAAAAA==")], refusal.body
            )
        if kind is Kind.RESET_BEFORE:
            return None
        if kind is Kind.CORRUPTED_REQUEST:
            request = Request(request.method, request.target, request.headers, self._flipped(request.body))
        answer = self.forward(request)
        if request.operation == "list":
            # The first listing of a prefix is the oldest that can be shown again.
            answer, first = answer, self._lists.setdefault(request.target, answer)
            if kind is Kind.STALE_LIST:
                return first
        if kind is Kind.RESET_AFTER:
            return None
        if kind is Kind.CORRUPTED:
            return Answer(answer.status, answer.headers, self._flipped(answer.body))
        if kind is Kind.EMPTY_LIST:
            return _xml(200, "<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>")
        if kind is Kind.NO_XML:
            return _xml(200, "<html><body>Please log in<br></body>")
        if kind is Kind.DELAY:
            threading.Event().wait(0.05)
        return answer

    def _flipped(self, body: bytes) -> bytes:
        """The same length, one bit wrong, each time another one."""
        if not body:
            return body
        place = sum(self.faults.values()) * 7919 % len(body)
        return body[:place] + bytes([body[place] ^ 1]) + body[place + 1 :]


@contextmanager
def fault_proxy(server: str) -> Iterator[tuple[FaultProxy, str]]:
    """A running proxy in front of a server, and its address."""
    proxy = FaultProxy(server)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def relay(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            request = Request(self.command, self.path, list(self.headers.items()), body)
            kind = proxy.fault_for(request)
            answer = proxy.answer(request, kind)
            if answer is None:
                self.reset()
                return
            self.send_response_only(answer.status)
            for name, value in answer.headers:
                self.send_header(name, value)
            self.end_headers()
            if self.command == "HEAD":
                return
            if kind is Kind.TRUNCATED:
                self.wfile.write(answer.body[: len(answer.body) // 2])
                self.wfile.flush()
                self.reset()
                return
            self.wfile.write(answer.body)

        do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = relay

        def reset(self) -> None:
            # Without lingering, close sends a reset instead of the end of a conversation.
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close_connection = True
            self.connection.close()

        def finish(self) -> None:
            if self.connection.fileno() != -1:
                super().finish()

        def log_message(self, *arguments: object) -> None:
            pass

    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    httpd.daemon_threads = True
    thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield proxy, f"http://127.0.0.1:{httpd.server_port}"
    finally:
        httpd.shutdown()
        thread.join()
        httpd.server_close()


def _refusal(status: int, code: str) -> Answer:
    return _xml(status, f"<Error><Code>{code}</Code><Message>by the proxy</Message></Error>")


def _xml(status: int, text: str) -> Answer:
    body = ('<?xml version="1.0" encoding="UTF-8"?>' + text).encode()
    return Answer(status, [("Content-Type", "application/xml"), ("Content-Length", str(len(body)))], body)
