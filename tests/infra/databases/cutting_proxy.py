"""Stands between a client and PostgreSQL and loses the connection at the COMMIT, before or after it is carried out."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from enum import Enum


class Cut(Enum):
    """When the connection is lost."""

    BEFORE_COMMIT = "the server never hears of the COMMIT"
    AFTER_COMMIT = "the server commits, its answer is lost"
    AT_ONCE = "with the next word of the client"


class CuttingProxy:
    """Forwards bytes; `cut` says what the next connections meet, one cut for each entry."""

    def __init__(self, port: int) -> None:
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._server.getsockname()[1])
        self._target = port
        self.cuts: list[Cut] = []
        self.hold = threading.Event()
        self.hold.set()
        self.held = threading.Event()
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._server.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._server.accept()
                server = socket.create_connection(("127.0.0.1", self._target))
                pair = _Pair(self, client, server)
                threading.Thread(target=pair.forward_questions, daemon=True).start()
                threading.Thread(target=pair.forward_answers, daemon=True).start()

    def next_cut(self, *, is_commit: bool) -> Cut | None:
        if self.cuts and (is_commit or self.cuts[0] is Cut.AT_ONCE):
            return self.cuts.pop(0)
        return None


class _Pair:
    def __init__(self, proxy: CuttingProxy, client: socket.socket, server: socket.socket) -> None:
        self._proxy, self._client, self._server = proxy, client, server
        self._drops_answers = False

    def forward_questions(self) -> None:
        with suppress(OSError):
            while data := self._client.recv(1 << 16):
                is_commit = b"COMMIT" in data
                if is_commit and not self._proxy.hold.is_set():
                    self._proxy.held.set()
                    self._proxy.hold.wait(60)
                cut = self._proxy.next_cut(is_commit=is_commit)
                if cut in {Cut.BEFORE_COMMIT, Cut.AT_ONCE}:
                    break
                if cut is Cut.AFTER_COMMIT:
                    self._drops_answers = True
                self._server.sendall(data)
        self._end()

    def forward_answers(self) -> None:
        with suppress(OSError):
            while data := self._server.recv(1 << 16):
                if self._drops_answers:
                    break  # the answer came, so the server has committed
                self._client.sendall(data)
        self._end()

    def _end(self) -> None:
        for end in (self._client, self._server):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()


@contextmanager
def cutting_proxy(port: int) -> Iterator[CuttingProxy]:
    """A proxy before the server on that port."""
    proxy = CuttingProxy(port)
    try:
        yield proxy
    finally:
        proxy.hold.set()
        proxy.close()
