"""Which farm the commands speak with, and its key: what `farm login` keeps, for its user's eyes alone."""

from __future__ import annotations

import os
import secrets
import stat
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, ValidationError

from jobs.errors import OutputUnwritable, SettingsError

_FILE: Final = "login.json"
_VERSION: Final = "farm.login/v1"
_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO
_AGAIN: Final = "farm login URL makes it anew"


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """A farm's server, and the key that opens it, of which nothing is printed."""

    server: str
    key: str = field(repr=False)


class _LoginRecord(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Literal["farm.login/v1"] = _VERSION
    server: str
    key: str


def checked_server(text: str, *, where: str) -> str:
    """The address of a server, without a slash at its end.

    Raises:
        SettingsError: It is no such address.
    """
    try:
        parts = urlsplit(text)
        is_address = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_address = False
    else:
        is_address = is_address and not (parts.username or parts.password or parts.query or parts.fragment)
    if not is_address or not text.isascii() or any(letter.isspace() for letter in text):
        raise SettingsError(
            "is no address of a server", where=where, hint="write it as https://farm.studio, without a key"
        )
    return text.rstrip("/")


def keep_login(login: Login, *, folder: Path) -> Path:
    """Keep a login in a file that its user alone may read; one that was kept before is replaced.

    Raises:
        OutputUnwritable: It cannot be written.
    """
    path = folder / _FILE
    partial = folder / f".{_FILE}.{secrets.token_hex(4)}"
    body = _LoginRecord(server=login.server, key=login.key).model_dump_json(indent=1) + "\n"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Made with these permissions, so that there is no moment in which others may read it.
        with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(body)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError as error:
        with suppress(OSError):
            partial.unlink()
        raise OutputUnwritable(
            f"cannot be written: {(error.strerror or type(error).__name__).lower()}",
            where=str(path),
            hint="set FARM_CONFIG to a folder of your own",
        ) from error
    return path


def kept_login(folder: Path) -> Login | None:
    """The login that is kept there; None where there is none.

    Raises:
        SettingsError: It cannot be read, others may read it, or it is of another version.
    """
    path = folder / _FILE
    try:
        with path.open("rb") as file:
            if os.fstat(file.fileno()).st_mode & _OTHERS:
                raise SettingsError(
                    "holds a key and may be read by others",
                    where=str(path),
                    code="login_exposed",
                    hint=f"chmod 600 {path}, or revoke the key and log in with another",
                )
            body = file.read(100_000)
    except FileNotFoundError:
        return None
    except OSError as error:
        reason = (error.strerror or type(error).__name__).lower()
        raise SettingsError(f"cannot be read: {reason}", where=str(path), hint=_AGAIN) from error
    try:
        record = _LoginRecord.model_validate_json(body)
    except ValidationError as error:
        raise SettingsError(
            "is no login of this version", where=str(path), code="login_version", hint=_AGAIN
        ) from error
    return Login(server=checked_server(record.server, where=str(path)), key=record.key)


def forget_login(folder: Path) -> bool:
    """Remove the login; returns whether there was one.

    Raises:
        OutputUnwritable: It cannot be removed.
    """
    path = folder / _FILE
    try:
        path.unlink()
    except FileNotFoundError:
        return False
    except OSError as error:
        reason = (error.strerror or type(error).__name__).lower()
        raise OutputUnwritable(
            f"cannot be removed: {reason}", where=str(path), hint="remove it yourself"
        ) from error
    return True
