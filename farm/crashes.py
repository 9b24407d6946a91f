"""What nobody foresaw, in one line for people and in a file with the traceback for whoever mends it.

Such a file holds an exception and the lines it came through: no variables, no environment, and no password.
"""

from __future__ import annotations

import logging
import os
import re
import secrets
import tempfile
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import Final

from jobs.errors import FarmError, InternalError
from jobs.farm_error import TRACEBACK_CHARACTERS, head_and_tail
from jobs.version import engine_version
from stages.whole_files import written_whole

logger = logging.getLogger(__name__)

FOLDER: Final = "crashes"
"""Of the cache: there the files lie."""

MOST_FILES: Final = 50
"""Kept in a folder; the oldest go first."""

_LONGEST_LINE: Final = 400
_LONGEST_NAME: Final = 60
_OURS: Final = re.compile(r"\d{8}T\d{12}Z-.+\.txt")
# User and password in an address, and values that are named like secrets.
_IN_ADDRESS: Final = re.compile(r"://[^\s'\"@]*@")
_NAMED: Final = re.compile(
    r"(?i)\b(aws_\w+|x-amz-\w[\w-]*|authorization|\w*(?:passw(?:or)?d|secret|api_?key|token)\w*)(['\"]?\s*[=:]\s*)"
    r"('[^']*'|\"[^\"]*\"|(?:bearer\s+|basic\s+)?[^\s'\",;)&]+)"
)


def said_by(error: BaseException) -> str:
    """Class and words of an exception in one line of bounded length. Raises nothing, whatever the exception does."""
    name = type(error).__name__
    text = text_of(error)
    return f"{name}: {text}" if text else name


def text_of(error: BaseException, *, first_line: bool = False) -> str:
    """The words of an exception in one line of bounded length; empty where it has none, or cannot say them.

    Args:
        error: The exception.
        first_line: Only the first line that says something, not all of them in one.
    """
    text = _safely(lambda: str(error)).strip()
    if first_line and text:
        text = text.splitlines()[0]
    # Masked before it is cut: half a password would not be found any more.
    return one_line(head_and_tail(_masked(text), _LONGEST_LINE))


def last_line(error: BaseException) -> str:
    """The last line of what an exception says; Ray puts the cause there. Raises nothing."""
    lines = _safely(lambda: str(error)).strip().splitlines() or [type(error).__name__]
    return one_line(head_and_tail(_masked(lines[-1]), _LONGEST_LINE))


def one_line(text: str) -> str:
    """Text from anywhere in one line; what a terminal would obey becomes a space, and what is no text is escaped."""
    whole = text.encode("utf-8", errors="backslashreplace").decode()
    return "".join(each if each.isprintable() else " " for each in " ".join(whole.split()))


def traceback_of(error: BaseException) -> str:
    """The traceback of an exception, of bounded length and without secrets. Raises nothing."""
    text = _safely(lambda: "".join(traceback.format_exception(error)))
    return head_and_tail(_masked(text or said_by(error)), TRACEBACK_CHARACTERS)


def keep_traceback(text: str, *, folder: Path | None, what: str) -> Path | None:
    """Write a traceback into a file of its own.

    Args:
        text: The traceback.
        folder: Where the file goes; a new one among the temporary files where it is None or cannot be written.
        what: The command or the job, for the name of the file.

    Returns:
        The file; None where it can be written nowhere.
    """
    if folder is not None:
        try:
            path = _write(text, folder=folder, what=what)
        except (OSError, ValueError) as error:
            logger.debug("nothing can be kept in %s: %s", folder, error)
        else:
            _remove_oldest(folder)
            return path
    try:
        return _write(text, folder=Path(tempfile.mkdtemp(prefix="farm-crashes-")), what=what)
    except (OSError, ValueError) as error:
        logger.debug("nothing can be kept in the temporary folder: %s", error)
        return None


def name_file(error: FarmError, *, cache: Path | None, what: str) -> Path | None:
    """Keep the traceback that an error carries, and have the error name the file; gives the file if it is new."""
    if not error.traceback or error.traceback_file:
        return None
    folder = None if cache is None else cache / FOLDER
    path = keep_traceback(f"{error.line()}\n\n{error.traceback}", folder=folder, what=what)
    if path is not None:
        point_to(error, str(path))
    return path


def point_to(error: FarmError, file: str) -> None:
    """Have an error name a file that holds its traceback already, or that of the error which it was made of."""
    if file and not error.traceback_file:
        error.traceback, error.traceback_file = "", file
        if file not in error.hint:
            error.hint = f"{error.hint}; {_told(error)}" if error.hint else _told(error)


@dataclass(slots=True)
class Caught:
    """What a block raised, if it did."""

    error: Exception | None = None


@contextmanager
def caught() -> Iterator[Caught]:
    """Nothing that is raised in the block leaves it; for the few places that must go on whatever happens."""
    outcome = Caught()
    try:
        yield outcome
    except Exception as error:
        # A line with its traceback is for whoever asked for such a log; others find it in the file.
        logger.info("caught: %s", type(error).__name__, exc_info=error)
        outcome.error = error


def _told(error: FarmError) -> str:
    if isinstance(error, InternalError):
        return f"please report it with {error.traceback_file}, which holds the traceback"
    return f"the traceback is in {error.traceback_file}"


def _write(text: str, *, folder: Path, what: str) -> Path:
    """Raises OSError where the file cannot be written; nothing of it is left then."""
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", what)[:_LONGEST_NAME] or "farm"
    now = datetime.now(UTC)
    path = folder / f"{now:%Y%m%dT%H%M%S%f}Z-{name}-{os.getpid()}-{secrets.token_hex(3)}.txt"
    lines = [f"engine: {_engine()}", f"what: {one_line(what)}", f"when: {now.isoformat()}", "", text]
    folder.mkdir(parents=True, exist_ok=True)
    with written_whole(path) as partial:
        # Its owner's alone: a message may name what is not everybody's.
        partial.touch(mode=0o600, exist_ok=False)
        partial.write_bytes("\n".join(lines).encode("utf-8", errors="backslashreplace") + b"\n")
    return path


def _remove_oldest(folder: Path) -> None:
    """Several processes may do so at once."""
    try:
        names = sorted(path.name for path in folder.iterdir() if _OURS.fullmatch(path.name))
        for name in names[:-MOST_FILES]:
            (folder / name).unlink(missing_ok=True)
    except OSError as error:
        logger.debug("the oldest files in %s stay: %s", folder, error)


def _engine() -> str:
    try:
        return f"moda-farm {engine_version()}"
    except PackageNotFoundError:
        return "moda-farm of a bare checkout"


def _masked(text: str) -> str:
    return _NAMED.sub(r"\1\2***", _IN_ADDRESS.sub("://***@", text))


def _safely(make: Callable[[], str]) -> str:
    """What an exception says; nothing where it raises in turn, or there is no memory for it."""
    said = [""]
    with caught():
        said.append(str(make()))
    return said[-1]
