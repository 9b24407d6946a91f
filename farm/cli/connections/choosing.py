"""Which way commands reach a shared farm, and that way for the length of a block."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final

from infra.login import Login, checked_server, kept_login
from jobs.errors import AccessRefused, SettingsError
from jobs.installation import INSTALL_ALL

if TYPE_CHECKING:
    from farm.cli.connections.connection import FarmConnection
    from infra.journal import Journal
    from infra.settings import FarmSettings

SHORT_PATIENCE_S: Final = 10.0
LONG_PATIENCE_S: Final = 600.0
"""Of commands that follow a job to its end: a server that is restarted meanwhile is waited for."""

_CLIENT: Final = ("httpx", "moda_client")


def login_in_use(settings: FarmSettings) -> Login | None:
    """The server that commands speak with; None where they read the journal.

    ``FARM_SERVER`` goes before ``FARM_JOURNAL``, and that before what `farm login` kept.

    Raises:
        SettingsError: What is set or kept cannot be used.
        AccessRefused: ``FARM_SERVER`` is set, and there is no key for it.
    """
    kept = None
    if settings.config is not None and (settings.server or not settings.is_journal_given):
        kept = kept_login(settings.config)
    if settings.server is None:
        return None if settings.is_journal_given else kept
    server = checked_server(settings.server, where="FARM_SERVER")
    if settings.key:
        return Login(server=server, key=settings.key)
    if kept is not None and kept.server == server:
        return kept
    raise AccessRefused(
        "there is no key for this server", where=server, code="no_key", hint="set FARM_KEY, or farm login URL"
    )


@contextmanager
def opened_farm(settings: FarmSettings, *, patience_s: float = SHORT_PATIENCE_S) -> Iterator[FarmConnection]:
    """The farm of these settings.

    Args:
        patience_s: A server that does not answer is asked again for so long.

    Raises:
        SettingsError, AccessRefused: As `login_in_use`; or the client is not installed.
    """
    login = login_in_use(settings)
    if login is None:
        from farm.cli.connections.journal_connection import JournalConnection

        with closing(JournalConnection(settings)) as by_journal:
            yield by_journal
        return
    check_client()
    from farm.cli.connections.server_connection import ServerConnection

    with closing(ServerConnection(login, patience_s=patience_s)) as by_server:
        yield by_server


def check_client() -> None:
    """See that the client is installed.

    Raises:
        SettingsError: It is not.
    """
    missing = [name for name in _CLIENT if find_spec(name) is None]
    if missing:
        raise SettingsError(
            f"speaking with a server needs {', '.join(missing)}, which a render does without",
            where="login",
            code="client_missing",
            hint=INSTALL_ALL,
        )


@contextmanager
def opened_journal(settings: FarmSettings, *, must_exist: bool = True) -> Iterator[Journal]:
    """The journal for the length of a block.

    Raises:
        JournalError: It cannot be opened, or must exist and does not.
    """
    from infra.journal import open_journal

    with closing(open_journal(settings.journal, must_exist=must_exist)) as journal:
        yield journal
