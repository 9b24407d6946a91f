"""`farm login` and `farm logout`: which server the commands for a shared farm speak with."""

from __future__ import annotations

import getpass
import sys
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final
from urllib.parse import urlsplit

import typer

from farm.cli.connections.choosing import check_client
from farm.cli.guarding import Run, argument, command
from farm.cli.output import UsageError
from infra.login import Login, checked_server, forget_login, keep_login
from jobs.access import id_of_key
from jobs.errors import AccessRefused, ExitCode, SettingsError

if TYPE_CHECKING:
    from infra.settings import FarmSettings

_LONGEST_KEY: Final = 1000

app = typer.Typer()


@command(app, "login")
def _login(
    run: Run, *, url: Annotated[str, argument("URL", "Of the server, as farm serve prints it.")]
) -> ExitCode:
    """Speak with a server from now on: submit, list, status and the others go there.

    The key is read from FARM_KEY, from stdin (farm login URL < file), or asked for; never from the command line. It is
    tried, and kept in the user's own configuration.
    """
    check_client()
    from farm.cli.connections.server_connection import asked_key

    folder = _folder(run.settings)
    login = Login(server=checked_server(url, where="URL"), key=_key(run.settings))
    known = asked_key(login)
    place = keep_login(login, folder=folder)
    record = {
        "server": login.server,
        "studio": known.studio,
        "key_id": known.key_id,
        "scopes": list(known.scopes),
        "kept_in": str(place),
    }
    terminal = run.terminal
    if not terminal.result(record):
        scopes = ", ".join(known.scopes)
        terminal.out.print(f"{login.server}: studio {known.studio}, may {scopes}", markup=False)
        terminal.note(f"kept in {place}; farm logout forgets it")
    if _is_open(login.server):
        terminal.note("the key travels in the clear: give an https:// address where there is one")
    for name in _going_first(run.settings):
        terminal.note(f"{name} is set and goes first: unset it for the commands to speak with this server")
    return ExitCode.OK


@command(app, "logout")
def _logout(run: Run) -> ExitCode:
    """Forget the server and its key; the key itself opens as before, until it is revoked."""
    was_kept = forget_login(_folder(run.settings))
    if not run.terminal.result({"was_kept": was_kept}):
        run.terminal.note("forgotten; farm key revoke ends the key" if was_kept else "there was no login")
    return ExitCode.OK


def _folder(settings: FarmSettings) -> Path:
    if settings.config is None:
        raise SettingsError(
            "is not set and there is no home folder", where="FARM_CONFIG", hint="set FARM_CONFIG to a folder"
        )
    return settings.config


def _key(settings: FarmSettings) -> str:
    """The key, wherever it is given; checked for its form alone.

    Raises:
        UsageError: None is given.
        AccessRefused: It can be none.
    """
    if settings.key:
        text = settings.key
    elif sys.stdin is not None and sys.stdin.isatty():
        text = getpass.getpass("key: ")
    else:
        text = sys.stdin.read(_LONGEST_KEY) if sys.stdin is not None else ""
    text = text.strip()
    if not text:
        raise UsageError("there is no key", where="stdin", hint="farm login URL < file, or set FARM_KEY")
    if id_of_key(text) is None:
        raise AccessRefused(
            "is no key of a farm", where="the key", code="key_unknown", hint="copy it whole: moda_..."
        )
    return text


def _is_open(server: str) -> bool:
    """Whether others on the way can read what is sent."""
    parts = urlsplit(server)
    host = parts.hostname or ""
    try:
        is_own_machine = ip_address(host).is_loopback
    except ValueError:
        is_own_machine = host == "localhost"
    return parts.scheme == "http" and not is_own_machine


def _going_first(settings: FarmSettings) -> list[str]:
    """Variables that say of another farm that it is meant."""
    named = [("FARM_SERVER", settings.server is not None), ("FARM_JOURNAL", settings.is_journal_given)]
    return [name for name, is_set in named if is_set][:1]
