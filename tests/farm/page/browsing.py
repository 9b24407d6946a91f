"""Chromium as a visitor of the page, and a line to the farm that can be cut."""

from __future__ import annotations

import shutil
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest

WIDTHS = {390: 844, 1024: 768, 1920: 1080}
SCHEMES = ("light", "dark")

_PATIENCE_MS = 30_000


def chromium() -> str:
    """Where Chromium is; the test is skipped where it is not, or nothing can drive it."""
    reason = "make browser installs it"
    pytest.importorskip("playwright.sync_api", reason=f"playwright is not installed: {reason}")
    found = shutil.which("chromium")
    if found is None:
        pytest.skip(f"there is no chromium: {reason}")
    from playwright.sync_api import expect

    # Other tests may take the processor meanwhile: five seconds were too few.
    expect.set_options(timeout=_PATIENCE_MS)
    return found


def entered(context: Any, address: str, key: str, *, expects: str = "") -> Any:
    """A page of a context that has logged in; it keeps what the console says, not of addresses with `expects`."""
    page = context.new_page()
    page.said = []

    def listen(told: Any) -> None:
        is_expected = expects and expects in told.location.get("url", "")
        if told.type in ("error", "warning") and not is_expected:
            page.said.append(told.text)

    page.on("console", listen)
    page.on("pageerror", lambda error: page.said.append(str(error)))
    page.on("dialog", lambda dialog: page.said.append(f"dialog: {dialog.message}") or dialog.dismiss())
    page.goto(f"{address}/login")
    page.get_by_label("Key").fill(key)
    page.keyboard.press("Enter")
    page.wait_for_url("**/jobs")
    return page


class Line:
    """A line to a server that can be stalled, as a pulled cable does, and mended; for any number of connections."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.address = f"http://127.0.0.1:{self._listening.getsockname()[1]}"
        self._flows = threading.Event()
        self._flows.set()
        self._over = False
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """Nothing passes any more, and nobody is told."""
        self._flows.clear()

    def mend(self) -> None:
        """What comes passes again."""
        self._flows.set()

    def close(self) -> None:
        self._over = True
        self._flows.set()
        self._listening.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listening.accept()
                far = socket.create_connection(("127.0.0.1", self._port))
                for one, other in ((near, far), (far, near)):
                    threading.Thread(target=self._carry, args=(one, other), daemon=True).start()

    def _carry(self, one: socket.socket, other: socket.socket) -> None:
        with suppress(OSError):
            while data := one.recv(65536):
                self._flows.wait()
                if self._over:
                    break
                other.sendall(data)
        for each in (one, other):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)


@contextmanager
def line_to(address: str) -> Iterator[Line]:
    line = Line(int(address.rpartition(":")[2]))
    try:
        yield line
    finally:
        line.close()
