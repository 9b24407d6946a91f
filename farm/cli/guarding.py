"""What every command has around it: settings, a terminal, and an exit code for whatever happens."""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import FrameType

import typer
from rich.logging import RichHandler

from farm.cli.output import Terminal
from farm.cli.wiring import Wiring
from infra.settings import FarmSettings
from jobs.errors import Cancelled, ExitCode, FarmError
from jobs.locations import is_s3

# What they commit before they are interrupted is taken up the next time.
_WORKING = frozenset({"render", "run"})


def guarded(
    command: Callable[[FarmSettings, Terminal, Wiring], ExitCode],
    *,
    context: typer.Context,
    store: str | None,
    as_json: bool,
) -> None:
    """Settings in, exit code out, and every error on the way shown in one line."""
    terminal = Terminal(as_json=as_json)
    try:
        settings = FarmSettings.from_environment()
        # Through the console of the progress bars, which would be torn otherwise.
        log_lines = RichHandler(console=terminal.err, show_path=False)
        logging.basicConfig(level=settings.log_level, format="%(name)s: %(message)s", handlers=[log_lines])
        if store is not None:
            settings = replace(settings, store=store if is_s3(store) else str(Path(store).absolute()))
        with _sigterm_interrupts():
            code = command(settings, terminal, context.obj)
    except FarmError as error:
        terminal.error(error)
        code = error.exit_code
    except KeyboardInterrupt:
        name = context.info_name or "farm"
        hint = "what is committed stays; the same command goes on from it" if name in _WORKING else ""
        terminal.error(Cancelled("stopped from the keyboard", where=name, hint=hint))
        code = ExitCode.INTERRUPTED
    raise typer.Exit(code)


@contextmanager
def _sigterm_interrupts() -> Iterator[None]:
    """SIGTERM, which service managers send, ends a command as the keyboard does."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
