"""Where a journal lies: a file, the memory of this process, or a PostgreSQL database."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from jobs.errors import SettingsError

MEMORY = ":memory:"
_HINT = "give a file, or an address such as postgresql://user@host/database"


class DatabaseKind(Enum):
    """What keeps the journal."""

    FILE = "sqlite file"
    MEMORY = "memory"
    POSTGRESQL = "postgresql"


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalAddress:
    """A journal's address.

    Attributes:
        url: For SQLAlchemy, password included.
        shown: For people, without a password and without options.
    """

    kind: DatabaseKind
    url: URL
    shown: str

    @property
    def path(self) -> Path:
        """The file, where there is one."""
        return Path(self.url.database or "")

    @property
    def password(self) -> str:
        """The password that the address holds; empty where it holds none."""
        hidden = self.url.query.get("password", "")
        return self.url.password or (hidden if isinstance(hidden, str) else "")


def journal_address(text: str) -> JournalAddress:
    """Read an address: a path, ``:memory:``, ``sqlite:///PATH`` or ``postgresql://USER@HOST/DATABASE``.

    Raises:
        SettingsError: It is none of these. What it holds is not repeated, for it may hold a password.
    """
    if "://" not in text:
        return _in_memory() if text == MEMORY else _in_file(text)
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        raise _refused("is no address") from None
    backend = url.drivername.partition("+")[0]
    if backend == "sqlite":
        return _in_file(url.database) if url.database and url.database != MEMORY else _in_memory()
    if backend not in {"postgresql", "postgres"}:
        raise _refused("is neither a file nor a PostgreSQL database")
    if not url.database:
        raise _refused("names no database")
    plain = URL.create(
        "postgresql", username=url.username, host=url.host, port=url.port, database=url.database
    )
    return JournalAddress(
        kind=DatabaseKind.POSTGRESQL,
        url=url.set(drivername="postgresql+psycopg"),
        shown=plain.render_as_string(),
    )


def _in_memory() -> JournalAddress:
    return JournalAddress(kind=DatabaseKind.MEMORY, url=URL.create("sqlite"), shown=MEMORY)


def _in_file(text: str) -> JournalAddress:
    if not text or "\0" in text:
        raise _refused("names no file")
    path = str(Path(text).absolute())
    return JournalAddress(kind=DatabaseKind.FILE, url=URL.create("sqlite", database=path), shown=path)


def _refused(message: str) -> SettingsError:
    return SettingsError(message, where="the journal's address", hint=_HINT)
