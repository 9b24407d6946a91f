"""How the command line speaks: tables and bars for people, one JSON document for scripts, one line per error."""

from __future__ import annotations

import io
import json
import logging
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from typing import Any

from rich.console import Console

from jobs.errors import ExitCode, FarmError, SpecError

logger = logging.getLogger(__name__)


class UsageError(FarmError):
    """The command line itself is wrong."""

    exit_code = ExitCode.USAGE
    default_code = "usage"


class Terminal:
    """Where a command writes: results to stdout; progress and errors to stderr."""

    def __init__(self, *, as_json: bool) -> None:
        self._as_json = as_json
        if isinstance(sys.stdout, io.TextIOWrapper):
            # Names on a command line may be any bytes. What is no text is shown escaped, as stderr has it anyway.
            sys.stdout.reconfigure(errors="backslashreplace")
        # Rich would break a key or a path in the middle; scripts and people copy them whole.
        self.out = Console(file=sys.stdout, soft_wrap=True, highlight=False)
        self.err = Console(file=sys.stderr, soft_wrap=True, highlight=False)

    @property
    def is_json(self) -> bool:
        """Whether a script reads what is written."""
        return self._as_json

    @property
    def shows_progress(self) -> bool:
        """Whether somebody watches."""
        return not self._as_json and self.err.is_terminal

    def result(self, record: Mapping[str, Any]) -> bool:
        """With --json, write the result and return True; otherwise leave the showing to the caller."""
        if self._as_json:
            self._write_json({"ok": True, **record})
        return self._as_json

    def error(self, error: FarmError) -> None:
        """One line for each thing that is wrong, and a hint where there is one."""
        if self._as_json:
            self._write_json({"ok": False, "error": error.as_record()})
            return
        if isinstance(error, SpecError):
            for mistake in error.mistakes:
                line = f":{mistake.line}" if mistake.line is not None else ""
                place = " ".join(part for part in (f"{error.where}{line}", mistake.path) if part)
                self._error_line(mistake.code, place, mistake.message, mistake.hint)
            return
        self._error_line(error.code, error.where, error.message, error.hint)

    def note(self, message: str) -> None:
        """One sentence on the side; silent with --json."""
        if not self._as_json:
            self.err.print(one_line(message), markup=False, style="dim")

    def _error_line(self, code: str, where: str, message: str, hint: str) -> None:
        place = f"{one_line(where)}: " if where else ""
        self.err.print("error", style="bold red", end=" ")
        self.err.print(f"[{code}] {place}{one_line(message)}", markup=False)
        if hint:
            self.err.print(f"  hint: {one_line(hint)}", markup=False, style="dim")

    def _write_json(self, record: Mapping[str, Any]) -> None:
        self.out.file.write(json.dumps(record, indent=2, ensure_ascii=False) + "\n")
        self.out.file.flush()


@contextmanager
def libraries_quiet() -> Iterator[None]:
    """Keeps stdout for results: what libraries print there (Ray does, about dead workers) becomes a log line."""
    with redirect_stdout(_LogLines()):
        yield


class _LogLines(io.TextIOBase):
    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        for line in text.splitlines():
            if line.strip():
                logger.info("%s", line)
        return len(text)


def one_line(text: str) -> str:
    """Text from anywhere, such as a bundle or a store, in one line; what a terminal would obey becomes a space."""
    return "".join(each if each.isprintable() else " " for each in " ".join(text.split()))
