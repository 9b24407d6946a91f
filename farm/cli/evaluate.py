"""`farm evaluate --generated A --reference B`: any system's video judged against the true one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from farm.cli.bars import StepBars
from farm.cli.evaluate_options import SAMPLE_EVERY, EvaluateOptions
from farm.cli.output import Terminal, UsageError, libraries_quiet
from farm.destinations import check_destination
from farm.outputs import WRITTEN_MANIFEST, OutputFiles
from farm.translation import translated
from jobs.errors import ExitCode
from jobs.places import JobPlaces, Place, check_places
from stages.evaluation.report_names import report_files

if TYPE_CHECKING:
    from stages.evaluation.pair import TakesEvaluation

_REPORT_BYTES = 16 * 1024**2


def run_evaluate(options: EvaluateOptions, *, terminal: Terminal) -> ExitCode:
    """Judge the videos that the options name, and show how they do.

    Raises:
        FarmError: a video is missing or unusable, a model file is not installed, or the folder cannot be written.
    """
    if not options.generated or options.reference is None:
        raise UsageError(
            "there is nothing to judge",
            where="command line",
            hint="name both: farm evaluate --generated A.mp4 --reference B.mp4",
        )
    out = None if options.out is None else options.out.absolute()
    report = None if out is None else _report_files(out, options)
    judged = _judge(options, reference=options.reference, terminal=terminal)
    if report is not None:
        _write(judged, report)
    # Loads what the judging has loaded.
    from stages.evaluation.report import takes_record
    from stages.evaluation.table import takes_markdown

    if not terminal.result({**takes_record(judged), "report": None if out is None else str(out)}):
        terminal.out.print(takes_markdown(judged), markup=False)
        if out is not None:
            terminal.out.print(f"{out}", style="bold", markup=False)
    return ExitCode.OK


def _judge(options: EvaluateOptions, *, reference: Path, terminal: Terminal) -> TakesEvaluation:
    with translated(str(reference)):
        # Loads torch and MediaPipe: not before they are needed.
        with _needed():
            from stages.evaluation.options import EvaluationOptions
            from stages.evaluation.pair import evaluate_takes
        with libraries_quiet(), StepBars(terminal) as bars:
            return evaluate_takes(
                options.generated,
                reference,
                speech=options.speech,
                options=EvaluationOptions(
                    sample_every=options.sample_every or SAMPLE_EVERY, syncnet=options.syncnet
                ),
                progress=lambda step, done, total: bars.show(step, done=done, total=total, unit="frames"),
            )


def _report_files(out: Path, options: EvaluateOptions) -> OutputFiles:
    """The report's files, held against the videos and against what is there before anything is judged."""
    names = report_files(len(options.generated))
    reads = [Place(location=str(video.absolute()), field="--generated") for video in options.generated]
    for field, path in (("--reference", options.reference), ("--speech", options.speech)):
        if path is not None:
            reads.append(Place(location=str(path.absolute()), field=field))
    if options.syncnet is not None:
        reads.append(Place(location=str(options.syncnet.absolute()), field="--syncnet", is_folder=True))
    writes = [Place(location=str(out / name), field="--out") for name in (*names, WRITTEN_MANIFEST)]
    check_places(JobPlaces(reads=tuple(reads), writes=tuple(writes)))
    check_destination(out / WRITTEN_MANIFEST, need_bytes=_REPORT_BYTES, where="--out")
    report = OutputFiles(
        home=str(out),
        manifest=WRITTEN_MANIFEST,
        field="--out",
        by="evaluate --generated",
        overwrite=options.overwrite,
    )
    report.check(names)
    return report


@contextmanager
def _needed() -> Iterator[None]:
    """Raises UsageError where what judging needs is not installed."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise UsageError(
            f"judging videos needs {error.name}, which is not installed",
            where="farm evaluate",
            hint="make test installs what measuring needs, beside what rendering needs",
        ) from error


def _write(judged: TakesEvaluation, report: OutputFiles) -> None:
    from stages.evaluation.report import write_report

    with translated("--out"), report.writing() as folder:
        write_report(judged, folder)
