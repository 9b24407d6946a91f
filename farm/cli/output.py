"""How the command line speaks: tables and bars for people, one JSON document for scripts, one line per error."""

from __future__ import annotations

import io
import json
import logging
import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, redirect_stdout, suppress
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from farm.crashes import one_line as one_line
from jobs.errors import ExitCode, FarmError, SpecError

logger = logging.getLogger(__name__)


class UsageError(FarmError):
    """The command line itself is wrong."""

    exit_code = ExitCode.USAGE
    default_code = "usage"


class OutputClosed(Exception):
    """Whoever read stdout is gone, as `head` is once it has enough: nobody wants the rest."""


class _Stdout(Console):
    def on_broken_pipe(self) -> None:
        raise OutputClosed


class _Stderr(Console):
    def on_broken_pipe(self) -> None:
        # Nobody reads what is told on the side; the work goes on, and the exit code tells its end.
        self.quiet = True


class Terminal:
    """Where a command writes: results to stdout; progress and errors to stderr."""

    def __init__(self, *, as_json: bool) -> None:
        self._as_json = as_json
        self._has_written = False
        if isinstance(sys.stdout, io.TextIOWrapper):
            # Names on a command line may be any bytes. What is no text is shown escaped, as stderr has it anyway.
            sys.stdout.reconfigure(errors="backslashreplace")
        # Rich would break a key or a path in the middle; scripts and people copy them whole.
        self.out: Console = _Stdout(file=sys.stdout, soft_wrap=True, highlight=False)
        self.err: Console = _Stderr(file=sys.stderr, soft_wrap=True, highlight=False)

    @property
    def is_json(self) -> bool:
        """Whether a script reads what is written."""
        return self._as_json

    @property
    def shows_progress(self) -> bool:
        """Whether somebody watches."""
        return not self._as_json and self.err.is_terminal

    @property
    def asks(self) -> bool:
        """Whether somebody sits there who can answer a question."""
        return self.shows_progress and sys.stdin is not None and sys.stdin.isatty()

    def result(self, record: Mapping[str, Any]) -> bool:
        """With --json, write the result and return True; otherwise leave the showing to the caller."""
        if self._as_json:
            self._write_json({"ok": True, **record})
        return self._as_json

    def error(self, error: FarmError) -> None:
        """One line for each thing that is wrong, and a hint where there is one."""
        if self._as_json and not self._has_written:
            self._write_json({"ok": False, "error": error.as_record()})
            return
        if isinstance(error, SpecError):
            for mistake in error.mistakes:
                line = f":{mistake.line}" if mistake.line is not None else ""
                place = " ".join(part for part in (f"{error.where}{line}", mistake.path) if part)
                self._error_line(mistake.code, place, mistake.message, mistake.hint)
            return
        self._error_line(error.code, error.where, error.message, error.hint)

    def bare_error(self, error: FarmError) -> None:
        """The same where that failed: ASCII alone, past all that could fail; where even that does, nothing."""
        is_document = self._as_json and not self._has_written
        text = json.dumps({"ok": False, "error": error.as_record()}) if is_document else error.line()
        number = 1 if is_document else 2
        with suppress(OSError):
            os.write(number, one_line(text).encode("ascii", errors="backslashreplace") + b"\n")

    def flush(self) -> None:
        """Write all that a buffer holds back.

        Raises:
            OutputClosed: Nobody reads it.
        """
        try:
            self.out.file.flush()
        except BrokenPipeError as error:
            raise OutputClosed from error

    def let_go_of_output(self) -> None:
        """After an error: what stdout still holds and cannot write must not raise once more when the process ends."""
        try:
            self.out.file.flush()
        except (OSError, ValueError):
            give_up_output()

    def note(self, message: str) -> None:
        """One sentence on the side; silent with --json."""
        if not self._as_json:
            self.err.print(one_line(message), markup=False, style="dim")

    def facts(self, rows: Iterable[tuple[str, str]]) -> None:
        """Print what there is to say of one thing, a line for each name and its value."""
        table = Table(show_header=False, box=None, pad_edge=False)
        table.add_column(style="dim")
        table.add_column(overflow="fold")
        for name, value in rows:
            # As text: a name in brackets would be taken for markup.
            table.add_row(name, Text(value))
        self.out.print(table)

    def _error_line(self, code: str, where: str, message: str, hint: str) -> None:
        place = f"{one_line(where)}: " if where else ""
        self.err.print("error", style="bold red", end=" ")
        self.err.print(f"[{code}] {place}{one_line(message)}", markup=False)
        if hint:
            self.err.print(f"  hint: {one_line(hint)}", markup=False, style="dim")

    def _write_json(self, record: Mapping[str, Any]) -> None:
        try:
            self.out.file.write(json.dumps(record, indent=2, ensure_ascii=False) + "\n")
        except BrokenPipeError as error:
            raise OutputClosed from error
        # A script reads one document: what goes wrong after it is told on stderr.
        self._has_written = True
        self.flush()


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


def give_up_output() -> None:
    """What is still in the buffer of stdout goes nowhere: Python would complain about it when it ends."""
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
