"""`farm batch`: one template with many rows, handed in at once or not at all, followed and fetched together."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.table import Table
from rich.text import Text

from farm.cli.connections.choosing import LONG_PATIENCE_S, login_in_use, opened_farm
from farm.cli.following import MastersFolderOption, ReplaceMastersOption, TimeoutOption, fetch_jobs
from farm.cli.guarding import Run, argument, command, flag, option
from farm.cli.output import UsageError
from farm.cli.overview import check_studio
from jobs.batch import BatchRow, rows_of_csv, rows_of_jsonl
from jobs.errors import ExitCode, InputNotFound, SpecError, SpecMistake
from jobs.locations import is_slug
from jobs.plan import DEFAULT_STUDIO

if TYPE_CHECKING:
    from farm.cli.connections.batch_access import BatchView

_LARGEST_ROWS: Final = 20_000_000

_BatchArgument = Annotated[str, argument("BATCH", "The batch's name, as farm batch list shows it.")]

app = typer.Typer(
    help="Batches: a template with ${column} in its values, and a CSV or JSONL file with a row for each job.",
    no_args_is_help=True,
    rich_markup_mode="rich",
)


@command(app, "submit")
def _submit(
    run: Run,
    *,
    template: Annotated[
        Path, argument("TEMPLATE", "A render job, YAML or JSON, with ${column} in its values.")
    ],
    rows: Annotated[Path, option("--rows", "FILE", "A row for each job: .csv with a header, or .jsonl.")],
    name: Annotated[
        str | None, option("--name", "NAME", "What to call it. Default: the template's file.")
    ] = None,
    dry_run: Annotated[bool, flag("--dry-run", "Check every row, and hand in nothing.")] = False,
    hold: Annotated[bool, flag("--hold", "The jobs wait for farm resume.")] = False,
    token: Annotated[
        str | None, option("--token", "T", "Any text; the same rows with the same token are one batch.")
    ] = None,
    studio: Annotated[
        str | None,
        option("--studio", "NAME", f"Who pays. Default: {DEFAULT_STUDIO}; with a server, the key's."),
    ] = None,
) -> ExitCode:
    """Hand in a job for each row: all of them, or none and every mistake of every row."""
    from farm.cli.connections.batch_access import BatchTerms

    called = name or template.stem
    if not is_slug(called):
        raise UsageError(f"'{called[:60]}' can be no name", where="--name", hint="as in spring-7")
    if studio is not None:
        check_studio(studio)
        if login_in_use(run.settings) is not None:
            raise UsageError("is said by the key, with a server", where="--studio", hint="leave it out")
    if token == "":
        raise UsageError("is empty", where="--token", hint="leave it out, or choose any text")
    read = _rows(rows)
    with opened_farm(run.settings) as farm:
        if dry_run:
            names = farm.batches.check(template, read)
            if not run.terminal.result({"rows": len(read), "names": list(names)}):
                run.terminal.out.print(f"{len(read)} rows are good; nothing was handed in", markup=False)
            return ExitCode.OK
        terms = BatchTerms(name=called, studio=studio, hold=hold, token=token)
        made = farm.batches.submit(template, read, terms)
    if not run.terminal.result(made.as_record()):
        run.terminal.out.print(made.batch, style="bold", markup=False)
        run.terminal.note(f"{len(made.jobs)} jobs, {made.jobs[0].job} to {made.jobs[-1].job}")
    return ExitCode.OK


@command(app, "list")
def _list(run: Run) -> ExitCode:
    """Show the batches, the newest first."""
    with opened_farm(run.settings) as farm:
        found = farm.batches.all()
    records = [{"batch": each.batch, "name": each.name, "created_at": each.created_at} for each in found]
    if not run.terminal.result({"batches": records}):
        for each in found:
            run.terminal.out.print(f"{each.batch}  {each.name}", markup=False)
        if not found:
            run.terminal.note("there is no batch")
    return ExitCode.OK


@command(app, "status")
def _status(run: Run, *, batch: _BatchArgument) -> ExitCode:
    """Show how far a batch is, and where each of its jobs stands."""
    with opened_farm(run.settings) as farm:
        view = farm.batches.get(batch)
    if not run.terminal.result(view.as_record()):
        _show(run, view)
    return ExitCode.OK


@command(app, "cancel")
def _cancel(run: Run, *, batch: _BatchArgument) -> ExitCode:
    """End every job of a batch that has not ended; what they committed stays in the store."""
    with opened_farm(run.settings) as farm:
        asked = farm.batches.cancel(batch)
    if not run.terminal.result({"batch": batch, "asked": asked}):
        run.terminal.out.print(f"{batch}: {asked} jobs are asked to end", markup=False)
    return ExitCode.OK


@command(app, "download")
def _download(
    run: Run,
    *,
    batch: _BatchArgument,
    out: MastersFolderOption = Path(),
    sync: Annotated[
        bool, flag("--sync", "Until every job has ended: each master is fetched as it is delivered.")
    ] = False,
    timeout: TimeoutOption = None,
    overwrite: ReplaceMastersOption = False,
) -> ExitCode:
    """Fetch the masters of a batch, as farm download does of its jobs; rows that the farm refused have none."""
    from farm.cli.connections.batch_access import REFUSED

    with opened_farm(run.settings, patience_s=LONG_PATIENCE_S) as farm:
        jobs = [job.job for job in farm.batches.get(batch).jobs if job.state != REFUSED]
        return fetch_jobs(
            farm, jobs, out=out, sync=sync, timeout_s=timeout, overwrite=overwrite, terminal=run.terminal
        )


def _rows(path: Path) -> list[BatchRow]:
    """The rows of a file, by its ending.

    Raises:
        UsageError: It has another ending.
        InputNotFound: It cannot be read.
        SpecError: With every mistake in it.
    """
    kind = path.suffix.lower()
    if kind not in (".csv", ".jsonl"):
        raise UsageError("ends neither in .csv nor in .jsonl", where=str(path), hint="name it so")
    try:
        with path.open("rb") as file:
            data = file.read(_LARGEST_ROWS + 1)
    except OSError as error:
        reason = (error.strerror or type(error).__name__).lower()
        raise InputNotFound(f"cannot be read: {reason}", where=str(path), hint="check the path") from error
    if len(data) > _LARGEST_ROWS:
        raise UsageError(f"has more than {_LARGEST_ROWS} bytes", where=str(path), hint="make several batches")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        mistake = SpecMistake(path="", code="not_text", message="is not UTF-8 text")
        raise SpecError(mistakes=[mistake], where=str(path), hint="save the file as UTF-8") from None
    return rows_of_csv(text, where=str(path)) if kind == ".csv" else rows_of_jsonl(text, where=str(path))


def _show(run: Run, view: BatchView) -> None:
    states = ", ".join(f"{count} {state}" for state, count in sorted(view.states.items()))
    run.terminal.facts(
        [
            ("batch", f"{view.batch}  {view.name}"),
            ("done", f"{view.percent:.1f} %, {view.ended} of {len(view.jobs)} jobs have ended"),
            ("jobs", states),
        ]
    )
    table = Table(box=None, pad_edge=False)
    for column in ("row", "job", "state", "why"):
        table.add_column(column, justify="right" if column == "row" else "left")
    for job in view.jobs:
        table.add_row(str(job.row), Text(job.job), Text(job.state), Text(job.code))
    run.terminal.out.print(table)
