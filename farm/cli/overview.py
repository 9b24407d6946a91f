"""`farm list` and `farm status`: where jobs stand, by the farm's journal or its server; no farm needs to run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table
from rich.text import Text

from farm.cli.connections.choosing import opened_farm
from farm.cli.guarding import Run, argument, command, flag
from farm.cli.output import UsageError
from jobs.errors import ExitCode
from jobs.kinds import RENDER_JOB
from jobs.locations import is_slug

if TYPE_CHECKING:
    from farm.cli.connections.views import JobView

_MOST_SHOWN = 20

JobArgument = Annotated[str, argument("JOB", "The job's name in the farm, as in hello-7.")]

app = typer.Typer()


def check_studio(name: str) -> None:
    """Refuse what can be no studio's name.

    Raises:
        UsageError: It cannot.
    """
    if not is_slug(name):
        raise UsageError(
            "must be 1 to 63 letters, digits, '.', '_' or '-'", where="--studio", hint="as in north"
        )


@command(app, "list")
def _list(
    run: Run,
    *,
    everything: Annotated[bool, flag("--all", "Also jobs that have ended.")] = False,
) -> ExitCode:
    """Show the jobs of the shared farm."""
    terminal = run.terminal
    with opened_farm(run.settings) as farm:
        jobs = farm.jobs(everything=everything)
    if terminal.result({"jobs": [job.as_line() for job in jobs]}):
        return ExitCode.OK
    if not jobs:
        terminal.note("no job waits or runs" + ("" if everything else "; --all shows those that ended"))
        return ExitCode.OK
    table = Table(box=None, pad_edge=False)
    for column in ("job", "studio", "kind", "state", "done", "why"):
        table.add_column(column, justify="right" if column == "done" else "left")
    for job in jobs:
        cells = (job.job, job.studio, _kind(job), job.state, _done(job), job.reason)
        table.add_row(*(Text(cell) for cell in cells))
    terminal.out.print(table)
    return ExitCode.OK


@command(app, "status")
def _status(run: Run, *, job: JobArgument) -> ExitCode:
    """Show one job: where it stands and why, its segments, replay bundles and masters."""
    with opened_farm(run.settings) as farm:
        view = farm.job(job)
    if not run.terminal.result(view.as_record()):
        run.terminal.facts((name, value) for name, value in _rows(view) if value)
    return ExitCode.OK


def _kind(job: JobView) -> str:
    """The kind in a word: render, prepare, train or evaluate."""
    return job.kind.removesuffix("Job").lower()


def _done(job: JobView) -> str:
    if job.kind != RENDER_JOB.name:
        return str(job.work or "-")
    return f"{job.settled}/{job.segments}" if job.segments else "-"


def _rows(job: JobView) -> list[tuple[str, str]]:
    error = job.error or (job.obstacle.error if job.obstacle else None)
    facts, is_whole = job.facts.as_record() if job.facts else {}, job.kind != RENDER_JOB.name
    return [
        ("job", job.job),
        ("studio", job.studio),
        ("kind", _kind(job)),
        ("state", job.state),
        ("because", job.reason),
        ("error", f"[{error.code}] {error.message}" if error else ""),
        ("hint", error.hint if error else ""),
        ("work", str(job.work or "")),
        *(("told" if is_whole else "the speech", sentence) for sentence in job.told),
        ("takes", str(job.takes or "")),
        ("draft", "its pictures carry the word DRAFT" if job.draft else ""),
        *(job.choice.rows() if job.choice else []),
        ("segments", _segments(job)),
        ("tries", str(facts.get("tries") or "")),
        ("time" if is_whole else "render time", f"{job.seconds:.1f} s" if job.seconds else ""),
        ("in quarantine", _places(facts.get("quarantined", []))),
        ("waived", _places(facts.get("waived", []))),
        *(("bundle", place) for place in list(facts.get("bundles", {}).values())[:_MOST_SHOWN]),
        *(("master", each.location) for each in job.masters),
        *(("captions", each.captions) for each in job.masters if each.captions),
        *(("made", each) for each in job.made),
        ("plan", facts.get("plan_hash", "")[:16]),
        ("folder", facts.get("folder", "")),
    ]


def _segments(job: JobView) -> str:
    if job.kind != RENDER_JOB.name:
        return ""
    return ", ".join(f"{count} {state}" for state, count in job.segment_states.items())


def _places(segments: Sequence[dict[str, int]]) -> str:
    shown = [f"take {each['take']} segment {each['segment']}" for each in segments[:_MOST_SHOWN]]
    more = len(segments) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more > 0 else "")
