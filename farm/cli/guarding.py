"""What every command has around it: the options all have, settings, a terminal, an exit code for whatever happens.

A command is a function decorated by `command`. Nothing that takes long to load is imported before one runs: modules
of commands import numpy, databases and the like inside their functions.
"""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import MISSING, dataclass, fields, is_dataclass, replace
from functools import cached_property
from inspect import Parameter, Signature, signature
from itertools import chain
from pathlib import Path
from types import FrameType
from typing import Annotated, Any, Concatenate, Final, ParamSpec, get_type_hints

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
_WORKING = frozenset({"render", "serve"})

EPILOG: Final = "Exit codes:\n\n" + "\n\n".join(f"{code.value:>4}  {code.meaning}" for code in ExitCode)


def option(
    name: str,
    metavar: str,
    text: str,
    *,
    least: float | None = None,
    most: float | None = None,
    shows_default: bool = False,
) -> Any:
    """An option with a value; the text says what the default is, unless the default is shown by itself."""
    return typer.Option(name, metavar=metavar, help=text, min=least, max=most, show_default=shows_default)


def flag(name: str, text: str) -> Any:
    """An option without a value."""
    return typer.Option(name, help=text)


def argument(metavar: str, text: str) -> Any:
    """What stands on the command line without a name."""
    return typer.Argument(metavar=metavar, help=text, show_default=False)


OverwriteOption = Annotated[
    bool,
    flag("--overwrite", "Replace files that the farm did not write. What a job reads is never written over."),
]
ReplicasOption = Annotated[
    int | None,
    option(
        "--replicas",
        "N",
        "Renderer replicas. Default: one for each GPU, or for each core. Does not change the video.",
        least=1,
        most=1024,
    ),
]
ClipsOption = Annotated[
    list[str] | None,
    option(
        "--clips",
        "DIR",
        "A prepared clip or subject to learn from; repeat it, or quote a pattern: 'clips/*'. "
        "Default: the subject.",
    ),
]
HeldOutOption = Annotated[
    list[str] | None, option("--held-out", "DIR", "A clip for validation alone; repeatable.")
]
_StoreOption = Annotated[
    str | None,
    option(
        "--store",
        "URI",
        "Folder or s3:// URI of committed segments and checkpoints. "
        "Default: FARM_STORE, or 'store' in the cache (FARM_CACHE, ~/.cache/moda-farm).",
    ),
]
_JsonOption = Annotated[bool, flag("--json", "Write one JSON document to stdout, also for an error.")]


@dataclass(frozen=True, kw_only=True)
class Run:
    """What a command works with, beside its options.

    Attributes:
        settings: Of this process, with the store that the command line names.
        terminal: Where results, progress and errors go.
        given: What does the work, where it is not the real thing.
    """

    settings: FarmSettings
    terminal: Terminal
    given: Wiring | None = None

    @cached_property
    def wiring(self) -> Wiring:
        """What does the work; not every command needs it, and it takes long to load."""
        return self.given or Wiring()


_Options = ParamSpec("_Options")
_Body = Callable[Concatenate[Run, _Options], ExitCode]


def command(
    app: typer.Typer, name: str, *, uses_store: bool = False
) -> Callable[[_Body[_Options]], _Body[_Options]]:
    """Make a function a command: its docstring is the help, its keyword arguments are the options.

    An argument whose type is a dataclass stands for one option for each of its fields, and gets the whole.
    """

    def register(body: _Body[_Options]) -> _Body[_Options]:
        arguments = list(signature(body, eval_str=True).parameters.values())[1:]
        bundles: dict[str, Any] = {
            each.name: each.annotation for each in arguments if is_dataclass(each.annotation)
        }
        called: Callable[..., ExitCode] = body

        def typed(context: typer.Context, store: str | None = None, *, as_json: bool, **given: Any) -> None:
            for name, bundle in bundles.items():
                given[name] = bundle(**{field.name: given.pop(field.name) for field in fields(bundle)})
            _guarded(lambda run: called(run, **given), context=context, store=store, as_json=as_json)

        parameters = [
            _parameter("context", typer.Context),
            *chain.from_iterable(map(_unbundled, arguments)),
            *([_parameter("store", _StoreOption, None)] if uses_store else []),
            _parameter("as_json", _JsonOption, False),
        ]
        # What Typer reads: its options are those of the body, not of the function around it.
        typed.__dict__["__signature__"] = Signature(parameters)
        typed.__annotations__ = {}
        typed.__doc__ = body.__doc__
        app.command(name, epilog=EPILOG)(typed)
        return body

    return register


def _unbundled(given: Parameter) -> list[Parameter]:
    """The parameter, or those that a dataclass stands for."""
    if not is_dataclass(given.annotation):
        return [given]
    hints = get_type_hints(given.annotation, include_extras=True)
    return [
        _parameter(each.name, hints[each.name], Parameter.empty if each.default is MISSING else each.default)
        for each in fields(given.annotation)
    ]


def _parameter(name: str, annotation: Any, default: Any = Parameter.empty) -> Parameter:
    return Parameter(name, Parameter.KEYWORD_ONLY, annotation=annotation, default=default)


def _guarded(
    body: Callable[[Run], ExitCode], *, context: typer.Context, store: str | None, as_json: bool
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
            return body(Run(settings=settings, terminal=guard.terminal, given=context.obj))

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
