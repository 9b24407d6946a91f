"""`farm evaluate --generated A --reference B`: any system's video judged against the true one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from farm.cli.bars import StepBars
from farm.cli.evaluate_options import SAMPLE_EVERY, EvaluateOptions
from farm.cli.output import Terminal, UsageError, libraries_quiet
from farm.destinations import check_destination
from farm.translation import translated
from jobs.errors import DiskFull, ExitCode

if TYPE_CHECKING:
    from pathlib import Path

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
    if out is not None:
        check_destination(out / "evaluation.json", need_bytes=_REPORT_BYTES, where="--out")
    judged = _judge(options, reference=options.reference, terminal=terminal)
    if out is not None:
        _write(judged, out)
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
        try:
            from stages.evaluation.options import EvaluationOptions
            from stages.evaluation.pair import evaluate_takes
        except ModuleNotFoundError as error:
            raise UsageError(
                f"judging videos needs {error.name}, which is not installed",
                where="farm evaluate",
                hint="make test installs what measuring needs, beside what rendering needs",
            ) from error
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


def _write(judged: TakesEvaluation, out: Path) -> None:
    from stages.evaluation.report import write_report

    with translated("--out"):
        try:
            write_report(judged, out)
        except OSError as error:
            raise DiskFull.or_unwritable(
                error, where="--out", hint="give another folder with --out"
            ) from error
