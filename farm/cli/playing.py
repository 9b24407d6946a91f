"""`farm watch --play`: a take in a player of this machine while it is rendered.

Players know neither keys nor journals. A small server on this machine stands between: it answers at an address that
nobody can guess, to this machine alone, and hands on what the farm has, whichever way the farm is reached.
"""

from __future__ import annotations

import re
import secrets
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Final

from farm.cli.output import Terminal
from farm.watching.file_names import FILE_NAME, LIST_ENDING, MAIN
from jobs.errors import FarmError, Retry

if TYPE_CHECKING:
    from farm.cli.connections.connection import FarmConnection

# From its beginning: of a list that still grows, they would show the end.
_PLAYERS: Final = (
    ("mpv", "--demuxer-lavf-o=live_start_index=0"),
    ("ffplay", "-loglevel", "error", "-autoexit", "-live_start_index", "0"),
    ("vlc", "--play-and-exit"),
)
_LOOK_S: Final = 0.5

Opened = Callable[[], AbstractContextManager["FarmConnection"]]
"""Opens a connection of one's own to the farm: none is for several threads."""


class Playing:
    """A take that is being played, or will be."""

    def __init__(self, serves: _Handing, *, address: str, terminal: Terminal) -> None:
        """Nothing is played before `start`."""
        self._serves = serves
        self._address = address
        self._terminal = terminal
        self._over = threading.Event()
        self._player: subprocess.Popen[bytes] | None = None
        self._thread = threading.Thread(target=self._play, name="play", daemon=True)

    def start(self) -> None:
        """Play as soon as there is something to see."""
        self._thread.start()

    def wait(self) -> None:
        """Until the player is closed; where none is installed, until somebody interrupts it."""
        self._thread.join()
        if self._player is not None:
            self._player.wait()
        elif not self._over.is_set() and not self._terminal.is_json:
            self._terminal.note("Ctrl-C ends it")
            with suppress(KeyboardInterrupt):
                self._over.wait()

    def stop(self) -> None:
        """End the player, if it still runs."""
        self._over.set()
        self._thread.join(_LOOK_S * 4)
        if self._player is not None and self._player.poll() is None:
            self._player.terminate()
            self._player.wait()

    def _play(self) -> None:
        while not self._over.is_set():
            try:
                self._serves.file(MAIN)
            except FarmError as error:
                if error.retry is Retry.NEVER:
                    self._over.set()
                    self._terminal.note(f"it cannot be played: {error.line()}")
                self._over.wait(_LOOK_S)
                continue
            self._open()
            return

    def _open(self) -> None:
        player = next((each for each in _PLAYERS if shutil.which(each[0])), None)
        if player is None:
            names = ", ".join(name for name, *_ in _PLAYERS)
            self._terminal.note(
                f"no player is installed ({names}): open {self._address} in one that plays HLS"
            )
            return
        self._terminal.note(f"{player[0]} plays {self._address}")
        self._player = subprocess.Popen([*player, self._address], stdin=subprocess.DEVNULL)


@contextmanager
def playing(opened: Opened, job: str, *, take: int, terminal: Terminal) -> Iterator[Playing]:
    """A take is played for the length of a block, from its first committed segment on.

    Args:
        opened: Opens the farm.
        job: The job.
        take: Number of the take.
        terminal: Where the address is told.
    """
    with opened() as farm:
        handing = _Handing(farm=farm, job=job, take=take, lock=threading.Lock())
        secret = secrets.token_urlsafe(16)
        server = ThreadingHTTPServer(("127.0.0.1", 0), _answering(handing, secret=secret))
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, name="play server", daemon=True)
        thread.start()
        address = f"http://127.0.0.1:{server.server_address[1]}/{secret}/{MAIN}"
        play = Playing(handing, address=address, terminal=terminal)
        play.start()
        try:
            yield play
        finally:
            play.stop()
            server.shutdown()
            thread.join()
            server.server_close()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Handing:
    """Files of one take, for several threads."""

    farm: FarmConnection
    job: str
    take: int
    lock: threading.Lock

    def file(self, name: str) -> bytes:
        """One file. Raises as `FarmConnection.watched_file`."""
        with self.lock:
            return self.farm.watched_file(self.job, take=self.take, file=name)


def _answering(handing: _Handing, *, secret: str) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            folder, _, name = self.path.partition("?")[0].removeprefix("/").partition("/")
            if not secrets.compare_digest(folder.encode(), secret.encode()) or not re.fullmatch(
                FILE_NAME, name
            ):
                self._answer(404, b"", "text/plain")
                return
            try:
                content = handing.file(name)
            except FarmError as error:
                status = 404 if error.retry is Retry.NEVER else 503
                self._answer(status, error.line().encode(), "text/plain; charset=utf-8")
                return
            self._answer(200, content, _media_type(name))

        do_HEAD = do_GET

        def _answer(self, status: int, content: bytes, media_type: str) -> None:
            self.send_response(status)
            self.send_header("Content-Type", media_type)
            self.send_header("Content-Length", str(len(content)))
            self.send_header("Cache-Control", "no-store")
            try:
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(content)
            except ConnectionError:  # the player was closed, or seeks
                self.close_connection = True

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as its base has it
            """What a player asks for is nobody's news."""

    return Handler


def _media_type(name: str) -> str:
    if name.endswith(LIST_ENDING):
        return "application/vnd.apple.mpegurl"
    if name.startswith("captions"):
        return "text/vtt"
    return "audio/mp4" if name.startswith("sound") else "video/mp4"
