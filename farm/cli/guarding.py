"""What every command has around it: settings, a terminal, and an exit code for whatever happens."""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType

import typer
from rich.logging import RichHandler

from farm.cli.output import OutputClosed, Terminal, give_up_output
from farm.cli.wiring import Wiring
from farm.crashes import name_file
from farm.translation import translate
from infra.settings import FarmSettings
from jobs.errors import Cancelled, ExitCode, FarmError, InternalError
from jobs.locations import is_s3

logger = logging.getLogger(__name__)

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
    guard = Guard(name=context.info_name or "farm", terminal=Terminal(as_json=as_json))

    def run() -> int:
        settings = FarmSettings.from_environment()
        guard.cache = settings.cache
        # Through the console of the progress bars, which would be torn otherwise.
        log_lines = RichHandler(console=guard.terminal.err, show_path=False)
        logging.basicConfig(level=settings.log_level, format="%(name)s: %(message)s", handlers=[log_lines])
        if store is not None:
            settings = replace(settings, store=store if is_s3(store) else str(Path(store).absolute()))
        with _sigterm_interrupts():
            return command(settings, guard.terminal, context.obj)

    raise typer.Exit(guard.code_of(run))


@dataclass(slots=True, kw_only=True)
class Guard:
    """The last handler: whatever happens becomes an exit code and one line, with --json one document.

    Attributes:
        name: What runs, for the line and for the name of a file.
        terminal: Where it is told.
        cache: Where files with tracebacks are kept; in the folder for temporary files while it is not known.
    """

    name: str
    terminal: Terminal
    cache: Path | None = None

    def code_of(self, run: Callable[[], int]) -> int:
        """The exit code of what runs, whatever it does."""
        try:
            code = run()
            self.terminal.flush()
        except OutputClosed:
            give_up_output()
            return ExitCode.OUTPUT_CLOSED
        except FarmError as error:
            return self._told(error)
        except (KeyboardInterrupt, typer.Abort):
            hint = (
                "what is committed stays; the same command goes on from it" if self.name in _WORKING else ""
            )
            return self._told(Cancelled("stopped from the keyboard", where=self.name, hint=hint))
        except Exception as error:
            # Not a line for a terminal: the file has it.
            logger.debug("%s failed in a way that nobody foresaw", self.name, exc_info=True)
            return self._told(translate(error, where=self.name, otherwise=InternalError))
        return code

    def _told(self, error: FarmError) -> int:
        """Tell of an error, as far as it can be told."""
        try:
            name_file(error, cache=self.cache, what=self.name)
            self.terminal.error(error)
        except OutputClosed:
            give_up_output()
        except Exception:
            logger.debug("the error cannot be told", exc_info=True)
            self.terminal.bare_error(error)
        else:
            self.terminal.let_go_of_output()
        return error.exit_code


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
