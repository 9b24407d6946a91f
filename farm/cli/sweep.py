"""`farm sweep`: lets go of renders that a store keeps, and removes the segments that nothing names any more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from farm.cli.connections.choosing import opened_journal
from farm.cli.guarding import Run, command, flag, option
from farm.cli.output import UsageError
from infra.storage import open_store
from jobs.errors import ExitCode, JournalError
from jobs.lifecycle import JobState
from jobs.locations import is_slug
from jobs.plan import DEFAULT_STUDIO

if TYPE_CHECKING:
    from infra.settings import FarmSettings

_RESTING = (JobState.HELD, JobState.PAUSED)

app = typer.Typer()


@command(app, "sweep", uses_store=True)
def _sweep(
    run: Run,
    *,
    let_go: Annotated[
        list[str] | None,
        option(
            "--let-go",
            "PROJECT/NAME",
            "Also remove what the store keeps of this job's renders; what was delivered stays. Repeatable.",
        ),
    ] = None,
    studio: Annotated[
        str, option("--studio", "NAME", "Whose renders these are.", shows_default=True)
    ] = DEFAULT_STUDIO,
    dry_run: Annotated[bool, flag("--dry-run", "Only say what would be removed.")] = False,
) -> ExitCode:
    """Remove the segments that no render of the store names any more. Sweep while nothing renders."""
    from farm.retention import folder_of_render, sweep

    folders = [folder_of_render(studio, _checked(render)) for render in let_go or ()]
    _check_quiet(run.settings)
    swept = sweep(open_store(run.settings.store), let_go=folders, is_rehearsal=dry_run)
    if not run.terminal.result({"dry_run": dry_run, **swept.as_record()}):
        would = "would be removed" if dry_run else "removed"
        run.terminal.out.print(
            f"{swept.removed} segments of {swept.removed_bytes / 1e6:.2f} MB {would}, {swept.kept} kept; "
            f"{swept.let_go} files of renders let go",
            markup=False,
        )
    return ExitCode.OK


def _checked(render: str) -> str:
    """A job's project and name. Raises UsageError where it is anything else."""
    parts = render.split("/")
    if len(parts) != 2 or not all(is_slug(part) for part in parts):
        raise UsageError(f"'{render}' is no project and name", where="--let-go", hint="as in demo/hello")
    return render


def _check_quiet(settings: FarmSettings) -> None:
    """See that no job of the journal can find a segment while it is removed.

    Raises:
        JournalError: The journal cannot be read.
        RequestRefused: There is such a job (``jobs_under_way``).
    """
    from farm.ledger import load_ledger
    from farm.scheduling.messages import RequestRefused

    try:
        with opened_journal(settings) as journal:
            ledger, _ = load_ledger(journal)
    except JournalError as error:
        if error.code == "journal_not_found":
            return
        raise
    for job in ledger.jobs.values():
        if not job.state.is_terminal and job.state not in _RESTING:
            raise RequestRefused(
                f"it is {job.state.value}, and may find a segment while it is removed",
                where=job.name,
                code="jobs_under_way",
                hint="pause it or wait for its end (farm wait), and sweep again",
            )
