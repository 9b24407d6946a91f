"""What a database's error means for the journal: one clear line, and whether trying again can help."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from enum import Enum

from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from infra.journal.address import JournalAddress
from jobs.errors import JournalCorrupt, JournalError, Retry


class Passing(Enum):
    """Whether trying again can help."""

    NEVER = "never"
    BUSY = "others hold it"
    AWAY = "the connection is lost or cannot be made"


@dataclass(frozen=True, slots=True)
class DatabaseProblem:
    """A kind of database error.

    Attributes:
        text: What happened. The database's own first line follows it where `quotes` is set.
    """

    code: str
    text: str
    hint: str
    passing: Passing = Passing.NEVER
    quotes: bool = False


_CORRUPT = DatabaseProblem("journal_corrupt", "is damaged", "restore it from a backup", quotes=True)
_BUSY = DatabaseProblem("journal_busy", "is held by another process", "look for who holds it", Passing.BUSY)
_FULL = DatabaseProblem(
    "journal_full", "no space is left for the journal", "free some, then start the farm again"
)
_DENIED = DatabaseProblem(
    "journal_denied", "may not be used", "check the rights of the user who runs the farm"
)
_NO_FILE = DatabaseProblem("journal_unreachable", "cannot be opened", "check the folder and its rights")
_AWAY = DatabaseProblem(
    "journal_unreachable", "cannot be reached", "check that the server runs", Passing.AWAY, quotes=True
)
_OTHER = DatabaseProblem("journal_failed", "the database failed", "", quotes=True)
_PASSWORD = DatabaseProblem("journal_denied", "the server refuses the user or the password", "check both")

_SQLITE = {
    "SQLITE_BUSY": _BUSY,
    "SQLITE_LOCKED": _BUSY,
    "SQLITE_FULL": _FULL,
    "SQLITE_CORRUPT": _CORRUPT,
    "SQLITE_NOTADB": DatabaseProblem(
        "not_a_journal", "is no journal: the file holds something else", "name another"
    ),
    "SQLITE_READONLY": _DENIED,
    "SQLITE_PERM": _DENIED,
    "SQLITE_AUTH": _DENIED,
    "SQLITE_CANTOPEN": _NO_FILE,
    "SQLITE_IOERR": DatabaseProblem("journal_failed", "the disk failed", "check the disk", quotes=True),
}

# By SQLSTATE, the longest start that fits.
_POSTGRESQL = {
    "08": _AWAY,
    "57P": _AWAY,
    "57014": _BUSY,
    "55P03": _BUSY,
    "40": _BUSY,
    "53100": _FULL,
    "53300": DatabaseProblem(
        "journal_busy", "the server has no connection left", "raise its limit", Passing.AWAY
    ),
    "28": _PASSWORD,
    "3D000": DatabaseProblem("journal_unreachable", "the server has no such database", "create it first"),
    "42501": _DENIED,
    "3F000": DatabaseProblem("journal_denied", "no schema of the database may be used", "grant the user one"),
    "25006": DatabaseProblem("journal_denied", "the server only lets read", "name the primary server"),
    "25P03": _AWAY,
    "XX001": _CORRUPT,
    "XX002": _CORRUPT,
}

# A connection that is refused has no SQLSTATE; the texts are libpq's.
_REFUSALS = {
    "authentication failed": _PASSWORD,
    "no password supplied": _PASSWORD,
    "no pg_hba.conf entry": _PASSWORD,
    "does not exist": DatabaseProblem(
        "journal_unreachable", "the server has no such database or user", "create it first"
    ),
}


def problem_of(error: SQLAlchemyError) -> DatabaseProblem:
    """What kind of trouble it is."""
    if not isinstance(error, DBAPIError):
        return _OTHER
    origin = error.orig
    if isinstance(origin, sqlite3.Error):
        name = getattr(origin, "sqlite_errorname", "") or ""
        return next((found for start, found in _SQLITE.items() if name.startswith(start)), _OTHER)
    state = getattr(origin, "sqlstate", None) or ""
    starts = [start for start in _POSTGRESQL if state.startswith(start)]
    if starts:
        return _POSTGRESQL[max(starts, key=len)]
    refusal = next((found for text, found in _REFUSALS.items() if text in str(origin)), None)
    if refusal is not None:
        return refusal
    # Without a state the server never spoke: it was not reached, or it is gone.
    return _OTHER if state else _AWAY


def journal_error(error: SQLAlchemyError, address: JournalAddress) -> JournalError:
    """The error for people. It repeats no statement, no parameter and no password."""
    problem = problem_of(error)
    text = problem.text
    if problem.quotes:
        origin = error.orig if isinstance(error, DBAPIError) else None
        first = next(iter(str(origin or type(error).__name__).splitlines()), "")
        text = f"{text}: {first}"
    if address.password:
        text = text.replace(address.password, "***")
    kind = JournalCorrupt if problem is _CORRUPT else JournalError
    retry = Retry.NEVER if problem.passing is Passing.NEVER else Retry.LATER
    return kind(text, where=address.shown, hint=problem.hint, code=problem.code, retry=retry)
