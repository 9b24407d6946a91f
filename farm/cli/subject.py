"""`farm subject`: a clip or a photo made into a subject package, what a package holds, and a table of several."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer
from rich import box
from rich.table import Table

from farm.cli.bars import StepBars
from farm.cli.guarding import OverwriteOption, Run, argument, command, option
from farm.cli.output import Terminal, UsageError, libraries_quiet
from farm.subject_preparation import prepare_package
from farm.translation import translated
from jobs.errors import ExitCode
from jobs.locations import builtin_name, is_s3
from jobs.prepare_job import Preparing, load_preparation

if TYPE_CHECKING:
    from stages.inspection.overview import SubjectOverview
    from stages.subject.package import SubjectPackage
    from stages.subject.quality_report import QualityReport

_SPECS = frozenset({".yaml", ".yml", ".json"})
"""How files of jobs end, and no recording and no photo."""

GivenT = TypeVar("GivenT")

_COLOURS = {"ok": "green", "warning": "yellow", "refused": "bold red"}

_DRAWN_BY = {"renderer": "by the paper's U-Net", "warped": "from warped references"}

app = typer.Typer(
    help="Subjects: from a clip or a photo to a package.", no_args_is_help=True, rich_markup_mode="rich"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PrepareOptions:
    """What the command line says of a clip or a photo; nothing where a job's file says it."""

    name: Annotated[str | None, option("--name", "N", "Name of the subject.")] = None
    consent: Annotated[
        Path | None, option("--consent", "FILE", "The document in which the person agrees.")
    ] = None
    out: Annotated[Path | None, option("--out", "DIR", "Folder of the subject package.")] = None
    audio_lag: Annotated[
        float | None,
        option(
            "--audio-lag",
            "N",
            "Frames of 40 ms, in parts of one, by which the sound lags the lips; 0 leaves it. Default: found out.",
            least=-250,
            most=250,
        ),
    ] = None
    audio_track: Annotated[
        str | None,
        option(
            "--audio-track",
            "N",
            "The audio track to hear: its number, from 1, or its language tag. Default: the first with sound.",
        ),
    ] = None

    def preparing(self, source: Path, *, overwrite: bool) -> Preparing:
        """What is prepared from what.

        Args:
            source: The clip, the photo, or the file of a job.
            overwrite: Whether what the folder holds of another subject is removed.

        Raises:
            UsageError: Options are missing, or stand beside a job.
            SpecError: The job has mistakes.
        """
        if source.suffix.lower() not in _SPECS:
            return Preparing(
                clip=source,
                name=_needed(self.name, "--name"),
                consent=_needed(self.consent, "--consent"),
                out=_needed(self.out, "--out"),
                audio_lag=self.audio_lag,
                audio_track=_number_or_language(self.audio_track),
                overwrite=overwrite,
                fields=("CLIP|PHOTO", "--consent", "--out"),
            )
        if self != PrepareOptions():
            raise UsageError(
                "SPEC says what is prepared, and so do the options",
                where="command line",
                hint="give one of them: a job's file, or a clip with --name, --consent and --out",
            )
        return load_preparation(source, overwrite=overwrite).preparing


@command(app, "prepare")
def _prepare(
    run: Run,
    *,
    clip: Annotated[
        Path,
        argument(
            "CLIP|PHOTO|SPEC",
            "A video of the subject speaking, one photo, or a prepare job: a YAML or JSON file.",
        ),
    ],
    options: PrepareOptions,
    overwrite: OverwriteOption = False,
) -> ExitCode:
    """Prepare a subject from a clip: package, training data and a quality report. From a photo: package and report.

    A run that was stopped goes on when it is started again with the same inputs.
    """
    preparing = options.preparing(clip, overwrite=overwrite)
    with libraries_quiet(), StepBars(run.terminal) as bars:
        report = prepare_package(
            preparing, progress=lambda step, done, total: bars.show(str(step), done=done, total=total)
        )
    with translated(str(preparing.clip)):
        from stages.subject.package import SubjectPackage

        # It may have been trained since.
        package = SubjectPackage.load(preparing.out)
    _show(report, out=preparing.out, package=package, terminal=run.terminal)
    return ExitCode.OK


def _needed(value: GivenT | None, name: str) -> GivenT:
    if value is None:
        raise UsageError(
            "is missing", where=name, code="missing_option", hint="a clip needs --name, --consent and --out"
        )
    return value


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
