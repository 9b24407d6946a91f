"""`farm subject`: a clip made into a subject package, and a table of several."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from rich import box
from rich.table import Table

from farm.cli.bars import StepBars
from farm.cli.output import Terminal, libraries_quiet
from farm.translation import translated
from jobs.errors import DiskFull, ExitCode
from jobs.places import JobPlaces, Place, check_places

if TYPE_CHECKING:
    from stages.subject.report import QualityReport

_COLOURS = {"ok": "green", "warning": "yellow", "refused": "bold red"}


def run_prepare(
    clip: Path,
    *,
    name: str,
    consent: Path,
    out: Path,
    audio_lag: int | None,
    overwrite: bool,
    terminal: Terminal,
) -> ExitCode:
    """Prepare a subject and show what was found.

    Raises:
        FarmError: no consent, an occupied folder, an unusable or refused clip, or no room to write.
    """
    reads = (
        Place(location=str(clip.absolute()), field="CLIP"),
        Place(location=str(consent.absolute()), field="--consent"),
    )
    writes = (Place(location=str(out.absolute()), field="--out", is_folder=True),)
    check_places(JobPlaces(reads=reads, writes=writes))
    # Loads torch, MediaPipe and matplotlib: not before they are needed.
    with translated(str(clip)):
        from stages.subject.preparation import SubjectRequest, prepare_subject

        request = SubjectRequest(
            clip=clip, name=name, consent=consent, out=out, audio_lag=audio_lag, overwrite=overwrite
        )
        try:
            with libraries_quiet(), StepBars(terminal) as bars:
                report = prepare_subject(
                    request, progress=lambda step, done, total: bars.show(str(step), done=done, total=total)
                )
        except OSError as error:
            raise DiskFull.or_unwritable(
                error, where=str(out), hint="give another folder with --out"
            ) from error
    page = out / "report" / "index.html"
    if not terminal.result({"subject": str(out), "report": str(page), **as_record(report)}):
        _show(report, out=out, page=page, terminal=terminal)
    return ExitCode.OK


def run_table(folders: Sequence[Path], *, terminal: Terminal) -> ExitCode:
    """Show the reports of several subjects as one Markdown table.

    Raises:
        FarmError: a folder holds no finished report.
    """
    from stages.subject.report import REPORT_FOLDER, QualityReport
    from stages.subject.report_table import report_table

    with translated("subject"):
        reports = [QualityReport.load(folder / REPORT_FOLDER) for folder in folders]
    if not terminal.result({"subjects": [as_record(report) for report in reports]}):
        terminal.out.print(report_table(reports), markup=False)
    return ExitCode.OK


def as_record(report: QualityReport) -> dict[str, object]:
    """A report as plain data."""
    return {"level": str(report.level), **asdict(report)}


def _show(report: QualityReport, *, out: Path, page: Path, terminal: Terminal) -> None:
    from stages.subject.report import figure_rows

    table = Table(box=box.SIMPLE_HEAD)
    for column in ("what", "verdict", "measured", "advice"):
        table.add_column(column)
    for verdict in report.verdicts:
        table.add_row(
            verdict.code, f"[{_COLOURS[verdict.level]}]{verdict.level}[/]", verdict.measured, verdict.advice
        )
    terminal.out.print(table)
    terminal.out.print(
        "\n".join(f"{label}: {value}" for label, value in figure_rows(report.figures)), markup=False
    )
    terminal.out.print(f"{out}", style="bold", markup=False)
    terminal.out.print(f"  {page}", markup=False)
    terminal.out.print("next: train its renderer, farm train with stage: renderer", style="dim")
