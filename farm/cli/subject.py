"""`farm subject`: a clip or a photo made into a subject package, what a package holds, and a table of several."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich import box
from rich.table import Table

from farm.cli.bars import StepBars
from farm.cli.guarding import OverwriteOption, Run, argument, command, option
from farm.cli.output import Terminal, libraries_quiet
from farm.translation import translated
from jobs.errors import DiskFull, ExitCode
from jobs.locations import builtin_name, is_s3
from jobs.places import JobPlaces, Place, check_places

if TYPE_CHECKING:
    from stages.inspection.overview import SubjectOverview
    from stages.subject.package import SubjectPackage
    from stages.subject.preparation_request import SubjectRequest
    from stages.subject.quality_report import QualityReport

_COLOURS = {"ok": "green", "warning": "yellow", "refused": "bold red"}

_DRAWN_BY = {"renderer": "by the paper's U-Net", "warped": "from warped references"}

app = typer.Typer(
    help="Subjects: from a clip or a photo to a package.", no_args_is_help=True, rich_markup_mode="rich"
)


@command(app, "prepare")
def _prepare(
    run: Run,
    *,
    clip: Annotated[Path, argument("CLIP|PHOTO", "A video of the subject speaking, or one photo.")],
    name: Annotated[str, option("--name", "N", "Name of the subject.")],
    consent: Annotated[Path, option("--consent", "FILE", "The document in which the person agrees.")],
    out: Annotated[Path, option("--out", "DIR", "Folder of the subject package.")],
    audio_lag: Annotated[
        float | None,
        option(
            "--audio-lag",
            "N",
            "Frames of 40 ms, in parts of one, by which the sound lags the lips; 0 leaves it. Default: found out.",
            least=-250,
            most=250,
        ),
    ] = None,
    audio_track: Annotated[
        str | None,
        option(
            "--audio-track",
            "N",
            "The audio track to hear: its number, from 1, or its language tag. Default: the first with sound.",
        ),
    ] = None,
    overwrite: OverwriteOption = False,
) -> ExitCode:
    """Prepare a subject from a clip: package, training data and a quality report. From a photo: package and report.

    A run that was stopped goes on when it is started again with the same inputs.
    """
    reads = (
        Place(location=str(clip.absolute()), field="CLIP|PHOTO"),
        Place(location=str(consent.absolute()), field="--consent"),
    )
    writes = (Place(location=str(out.absolute()), field="--out", is_folder=True),)
    check_places(JobPlaces(reads=reads, writes=writes))
    # Loads torch, MediaPipe and matplotlib: not before they are needed.
    with translated(str(clip)):
        from stages.subject.package import SubjectPackage
        from stages.subject.preparation_request import SubjectRequest

        request = SubjectRequest(
            clip=clip,
            name=name,
            consent=consent,
            out=out,
            audio_lag=audio_lag,
            audio_track=_number_or_language(audio_track),
            overwrite=overwrite,
        )
        report = _prepared(request, terminal=run.terminal)
        # It may have been trained since.
        package = SubjectPackage.load(out)
    _show(report, out=out, package=package, terminal=run.terminal)
    return ExitCode.OK


@command(app, "table")
def _table(
    run: Run,
    *,
    folders: Annotated[list[Path], argument("DIR...", "Folders of prepared subjects.")],
) -> ExitCode:
    """Show the quality reports of several subjects as one Markdown table."""
    from stages.subject.quality_report import REPORT_FOLDER, QualityReport
    from stages.subject.report_table import report_table

    with translated("subject"):
        reports = [QualityReport.load(folder / REPORT_FOLDER) for folder in folders]
    if not run.terminal.result({"subjects": [_as_record(report) for report in reports]}):
        run.terminal.out.print(report_table(reports), markup=False)
    return ExitCode.OK


@command(app, "show")
def _show_package(
    run: Run,
    *,
    subject: Annotated[str, argument("SUBJECT", "Folder or s3:// URI of a package, or builtin:NAME.")],
) -> ExitCode:
    """Load all that a render of a subject loads, and show what its package holds."""
    from farm.preparation import subject_folder

    location = subject if is_s3(subject) or builtin_name(subject) else str(Path(subject).absolute())
    folder = subject_folder(location, stages=run.wiring.stages, cache=run.settings.cache)
    with libraries_quiet(), translated(subject):
        from stages.inspection.overview import SubjectOverview

        overview = SubjectOverview.of(folder)
    if not run.terminal.result(asdict(overview)):
        run.terminal.facts(_overview_facts(overview))
    return ExitCode.OK


def _overview_facts(overview: SubjectOverview) -> list[tuple[str, str]]:
    library, limits = overview.library, overview.limits
    drawn = f"{overview.size_px} px, {_DRAWN_BY[overview.architecture]}"
    trained = "untrained" if overview.untrained else f"trained on {overview.trained_frames} frames"
    facts = [
        ("name", overview.name),
        ("consent", overview.consent),
        ("provenance", overview.provenance),
        ("licence", overview.licence),
        ("package", f"sha256 {overview.sha256[:16]}"),
        ("drawn", f"{drawn}, {trained}"),
    ]
    if library is not None:
        background = "stands still" if library.is_still else f"moves in {library.restless:.0%} of its places"
        facts += [
            ("library", f"{library.references} references, {library.size_bytes / 1e6:.2f} MB"),
            ("background", f"{background}; {library.unseen:.0%} of it was never seen"),
        ]
    on = (
        "" if limits.frames is None else f", fitted on {limits.frames} frames, {limits.unseen} of them unseen"
    )
    facts += [("motion", overview.motion)] if overview.motion else []
    facts.append(("limits", f"its own{on}" if limits.own else limits.notice or "those for all"))
    return facts


def _number_or_language(audio_track: str | None) -> int | str | None:
    return int(audio_track) if audio_track is not None and audio_track.isdecimal() else audio_track


def _prepared(request: SubjectRequest, *, terminal: Terminal) -> QualityReport:
    from stages.subject.photo_file import picture_kind
    from stages.subject.photo_preparation import prepare_photo
    from stages.subject.preparation import prepare_subject

    prepare = prepare_photo if picture_kind(request.clip) else prepare_subject
    try:
        with libraries_quiet(), StepBars(terminal) as bars:
            return prepare(
                request, progress=lambda step, done, total: bars.show(str(step), done=done, total=total)
            )
    except OSError as error:
        raise DiskFull.or_unwritable(
            error, where=str(request.out), hint="give another folder with --out"
        ) from error


def _as_record(report: QualityReport) -> dict[str, object]:
    return {"level": str(report.level), **asdict(report)}


def _show(report: QualityReport, *, out: Path, package: SubjectPackage, terminal: Terminal) -> None:
    from stages.subject.quality_report import figure_rows

    page = out / "report" / "index.html"
    record = {"subject": str(out), "report": str(page), "untrained": not package.is_trained}
    if terminal.result({**record, **_as_record(report)}):
        return
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
    for sentence in report.told:
        terminal.note(sentence)
    terminal.out.print(f"{out}", style="bold", markup=False)
    terminal.out.print(f"  {page}", markup=False)
    if package.is_trained:
        told = "it speaks, and its renderer is trained"
    elif package.motion_limits is not None:
        told = "it speaks: farm render; a clip of the same person makes a better subject"
    else:
        told = "it speaks: farm render; farm train with stage: renderer makes it better"
    terminal.out.print(told, style="dim")
