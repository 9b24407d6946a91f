"""The API as a server in a thread of its own, so that a coordinator may have the main one."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

import uvicorn

from farm.api.app import MakePage, make_app
from farm.api.context import ApiContext, ApiLimits
from farm.api.following import FollowedJournal
from farm.api.receivers import ReceiverRules
from farm.api.studio_files import StudioFiles
from farm.api.watched_files import MakesFiles, WatchedFiles
from farm.api.webhook_sending import WebhookTerms
from infra.journal import open_journal
from infra.settings import FarmSettings
from infra.storage import open_store
from jobs.errors import FarmError, InfrastructureError, SettingsError

_USUAL_TERMS: Final = WebhookTerms()
_START_S: Final = 60.0
_STOP_S: Final = 5.0


class ApiServer:
    """Serves one process's API until it is stopped; use as made by `serving`."""

    def __init__(
        self, context: ApiContext, listening: socket.socket, *, make_page: MakePage | None = None
    ) -> None:
        self._context = context
        self._socket = listening
        config = uvicorn.Config(
            make_app(context, make_page),
            log_config=None,
            access_log=False,
            lifespan="on",
            server_header=False,
            # Streams end by themselves once they are told; what is left is cut off.
            timeout_graceful_shutdown=3,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._run, name="api", daemon=True)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._error: BaseException | None = None

    @property
    def address(self) -> str:
        """Where it answers."""
        host, port = self._socket.getsockname()[:2]
        shown = f"[{host}]" if ":" in host else host
        return f"http://{shown}:{port}"

    def check(self) -> None:
        """See that it still serves.

        Raises:
            FarmError: It has ended.
        """
        if self._thread.is_alive():
            return
        if isinstance(self._error, FarmError):
            raise self._error
        raise InfrastructureError(
            f"the server of the API ended: {self._error or 'nobody asked it to'}",
            where=self.address,
            code="api_ended",
            hint="start it again",
        ) from self._error

    def start(self) -> None:
        """Begin, and wait until it answers. Raises as `check`."""
        self._thread.start()
        waited = threading.Event()
        for _ in range(round(_START_S / 0.02)):
            self.check()
            if self._server.started:
                return
            waited.wait(0.02)
        raise InfrastructureError(
            f"the API did not begin to serve within {_START_S:.0f} s", where=self.address, code="api_ended"
        )

    def stop(self) -> None:
        """End streams, then everything."""
        if not self._thread.is_alive():
            return
        self._server.should_exit = True
        if self._loop is not None:
            with suppress(RuntimeError):  # it ended a moment ago
                self._loop.call_soon_threadsafe(self._context.followed.close)
        self._thread.join(_STOP_S)

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as error:  # noqa: BLE001 - told by `check`, in the thread that can do something about it
            self._error = error

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        await self._server.serve(sockets=[self._socket])


@contextmanager
def serving(
    settings: FarmSettings,
    *,
    host: str,
    port: int,
    limits: ApiLimits,
    webhooks: WebhookTerms = _USUAL_TERMS,
    make_page: MakePage | None = None,
) -> Iterator[ApiServer]:
    """The API of the farm of these settings, for the length of a block.

    Args:
        settings: Where the journal, the store and the files of studios are.
        host, port: Where to listen; port 0 takes a free one.
        limits: What one request may take.
        webhooks: How messages to receivers are sent.
        make_page: Makes what answers at all addresses that are not the API's; nothing does where it is not given.

    Raises:
        SettingsError: Nobody can listen there.
        JournalError: The journal cannot be opened.
    """
    listening = _listening(host, port)
    journal = open_journal(settings.journal)
    try:
        context = ApiContext(
            journal=journal,
            followed=FollowedJournal(journal),
            files=StudioFiles(settings.studios),
            watched=WatchedFiles(lambda: _take_files(settings)),
            cache=settings.cache,
            store=settings.store,
            limits=limits,
            receivers=ReceiverRules(networks=webhooks.networks),
            webhooks=webhooks,
        )
        server = ApiServer(context, listening, make_page=make_page)
        try:
            server.start()
            yield server
        finally:
            server.stop()
    finally:
        journal.close()
        listening.close()


def _take_files(settings: FarmSettings) -> MakesFiles:
    # Imported here: a server that nobody watches by need not load what reads media.
    from farm.watching.take_files import TakeFiles

    return TakeFiles(open_store(settings.store), cache=settings.cache)


def _listening(host: str, port: int) -> socket.socket:
    where = f"{host}:{port}"
    try:
        kind, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[
            0
        ]
        listening = socket.socket(kind, socket.SOCK_STREAM)
        try:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind(address)
            listening.listen(1024)
        except OSError:
            listening.close()
            raise
    except OSError as error:
        reason = (error.strerror or type(error).__name__).lower()
        raise SettingsError(
            f"cannot listen there: {reason}",
            where=where,
            code="address_taken",
            hint="choose another --host or --port",
        ) from error
    return listening
