"""`farm submit`: jobs handed to the shared farm."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from farm.cli.connections.choosing import LONG_PATIENCE_S, SHORT_PATIENCE_S, login_in_use, opened_farm
from farm.cli.connections.connection import SubmitTerms
from farm.cli.control import PATIENCE_S, PatienceOption, unanswered
from farm.cli.following import wait_for_jobs
from farm.cli.guarding import OverwriteOption, Run, argument, command, flag, option
from farm.cli.output import Terminal, UsageError
from farm.cli.overview import check_studio
from jobs.errors import ExitCode
from jobs.plan import DEFAULT_STUDIO

if TYPE_CHECKING:
    from farm.cli.connections.connection import FarmConnection
    from farm.cli.connections.views import SubmittedView

app = typer.Typer()


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmitOptions:
    """What the command line says beside the jobs."""

    studio: Annotated[
        str | None,
        option("--studio", "NAME", f"Who pays. Default: {DEFAULT_STUDIO}; with a server, the key's."),
    ] = None
    hold: Annotated[bool, flag("--hold", "The jobs wait for farm resume.")] = False
    token: Annotated[
        str | None,
        option(
            "--token",
            "T",
            "Any text; the same submit with the same token is one job, however often it is given.",
        ),
    ] = None
    wait: Annotated[
        bool, flag("--wait", "Until the jobs have ended, with the exit code of the first that failed.")
    ] = False
    overwrite: OverwriteOption = False
    patience: PatienceOption = PATIENCE_S


@command(app, "submit")
def _submit(
    run: Run,
    *,
    specs: Annotated[list[Path], argument("SPEC...", "Jobs of any kind, YAML or JSON files.")],
    options: SubmitOptions,
) -> ExitCode:
    """Hand jobs to the shared farm; it tells the names they have there.

    The farm is the server of farm login, which gets their recordings as well, or the one whose journal is FARM_JOURNAL.
    """
    _check(specs, options, is_local=login_in_use(run.settings) is None)
    terms = SubmitTerms(
        studio=options.studio,
        hold=options.hold,
        token=options.token,
        overwrite=options.overwrite,
        patience_s=options.patience,
    )
    with opened_farm(run.settings, patience_s=LONG_PATIENCE_S if options.wait else SHORT_PATIENCE_S) as farm:
        return _outcome(farm.submit(specs, terms), farm=farm, waits=options.wait, terminal=run.terminal)


def _check(specs: Sequence[Path], options: SubmitOptions, *, is_local: bool) -> None:
    if not is_local:
        for name, is_given in (("--studio", options.studio is not None), ("--overwrite", options.overwrite)):
            if is_given:
                raise UsageError(
                    "only means something beside the farm's own journal",
                    where=name,
                    hint="leave it out: with a server the key says whose job it is, and no file is replaced",
                )
    if options.studio is not None:
        check_studio(options.studio)
    if options.token is not None and len(specs) > 1:
        raise UsageError("a token names one submit", where="--token", hint="submit the jobs one by one")
    if options.token == "":
        raise UsageError("is empty", where="--token", hint="leave it out, or choose any text")


def _outcome(
    submitted: Sequence[SubmittedView], *, farm: FarmConnection, waits: bool, terminal: Terminal
) -> ExitCode:
    # Pairs: two refusals may name the same object.
    refusals = [(each.job, each.refusal) for each in submitted if each.refusal]
    if not terminal.is_json:
        _show(submitted, farm=farm, terminal=terminal)
    if waits:
        names = [each.job for each in submitted if not each.refusal]
        return wait_for_jobs(farm, names, refused=refusals, terminal=terminal)
    records = [each.as_record() for each in submitted]
    if not terminal.result({"ok": not refusals, "jobs": records}):
        for _, refusal in refusals:
            terminal.error(refusal)
    return refusals[0][1].exit_code if refusals else ExitCode.OK


def _show(submitted: Sequence[SubmittedView], *, farm: FarmConnection, terminal: Terminal) -> None:
    for each in submitted:
        if not each.refusal:
            terminal.out.print(each.job, style="bold", markup=False)
    kept = [each.request for each in submitted if each.request is not None and not each.answered]
    if kept:
        terminal.note(unanswered(kept, address=farm.address))
