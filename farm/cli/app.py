"""The command line: its commands, one module for each family of them, and what happens before and after them."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Annotated

import typer

from farm.cli import (
    batch,
    control,
    doctor,
    evaluate,
    following,
    journal,
    key,
    login,
    overview,
    render,
    replay,
    schema,
    serve,
    simulate,
    subject,
    submit,
    sweep,
    train,
    webhook,
)
from farm.cli.guarding import EPILOG, Guard
from farm.cli.output import OutputClosed, Terminal, UsageError
from farm.cli.wiring import Wiring
from infra.settings import FarmSettings
from jobs.errors import FarmError
from jobs.version import engine_version

app = typer.Typer(
    name="farm",
    help="A render farm for talking portraits: speech and a subject in, a finished video out.",
    epilog=EPILOG,
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
# In the order in which the help shows them.
for family in (render, train, evaluate, simulate, schema, doctor):
    app.add_typer(family.app)
app.add_typer(subject.app, name="subject")
for family in (serve, login, submit, overview, following, control, replay, sweep):
    app.add_typer(family.app)
app.add_typer(key.app, name="key")
app.add_typer(batch.app, name="batch")
app.add_typer(webhook.app, name="webhook")
app.add_typer(journal.app, name="journal")


def main(arguments: Sequence[str] | None = None, *, wiring: Wiring | None = None) -> int:
    """Run the command line.

    Args:
        arguments: What follows the word ``farm``; those of the process where none are given.
        wiring: What the commands work with; the real stages on a Ray cluster where none is given.

    Returns:
        The exit code.
    """
    arguments = list(sys.argv[1:] if arguments is None else arguments)

    def run() -> int:
        try:
            return int(app(arguments, standalone_mode=False, prog_name="farm", obj=wiring) or 0)
        except typer.TyperException as error:
            # Unknown options, missing arguments: the parser's own errors, in our form.
            message = error.format_message().rstrip(".")
            raise UsageError(message, where="command line", hint="see farm --help") from error
        except SystemExit as end:
            # So ends the parser where nobody reads its help any more.
            raise OutputClosed from end

    # Commands have a guard of their own; this one is for what happens before and after them.
    guard = Guard(name="farm", terminal=Terminal(as_json="--json" in arguments))
    with suppress(FarmError):
        guard.cache = FarmSettings.from_environment().cache
    return guard.code_of(run)


@app.callback(invoke_without_command=True)
def _farm(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", is_eager=True)
    ] = False,
) -> None:
    if version:
        sys.stdout.write(f"moda-farm {engine_version()}\n")
        raise typer.Exit
