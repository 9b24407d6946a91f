"""`farm evaluate SPEC`: systems judged over a set of clips, and how they compare."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from farm.cli.bars import StepBars
from farm.cli.evaluate_options import EvaluateOptions
from farm.cli.output import Terminal, UsageError, libraries_quiet
from farm.cli.wiring import Wiring
from infra.settings import FarmSettings
from jobs.errors import Cancelled, ExitCode, FarmError
from jobs.parse import load_evaluation


class EvaluationBars(StepBars):
    """A `farm.evaluation.rounds.EvaluationListener`: one bar of pairs."""

    def __init__(self, terminal: Terminal) -> None:
        super().__init__(terminal)
        self._notes = terminal

    def judged(self, *, done: int, total: int) -> None:
        """See `Listener.judged`."""
        self.show("judging", done=done, total=total, unit="pairs")

    def note(self, message: str) -> None:
        """See `Listener.note`."""
        self._notes.note(message)


def run_evaluate_job(
    spec: Path, *, options: EvaluateOptions, settings: FarmSettings, terminal: Terminal, wiring: Wiring
) -> ExitCode:
    """Judge what a file asks for, write the report and show its first table.

    Args:
        spec: The evaluate job.
        options: None of which go with a job.
        settings: Of this process.
        terminal: Where to show.
        wiring: The judge and the machine.

    Raises:
        FarmError: See `farm.evaluation.run.evaluate_job`.
    """
    # Imported here: every other command does without.
    from farm.evaluation.run import evaluate_job, opened_judges
    from farm.evaluation.tables import average_table

    if options.names_something:
        raise UsageError(
            "SPEC says what is judged, and so do the options",
            where="command line",
            hint="give one of them: farm evaluate SPEC, or farm evaluate --generated A.mp4 --reference B.mp4",
        )
    loaded = load_evaluation(spec, overwrite=options.overwrite)
    open_pool = partial(
        opened_judges,
        judge=wiring.judge,
        workers=loaded.job.spec.workers,
        settings=settings,
        hardware=wiring.probe(),
    )
    with libraries_quiet(), EvaluationBars(terminal) as bars:
        try:
            report = evaluate_job(loaded, settings=settings, open_pool=open_pool, listener=bars)
        except KeyboardInterrupt:
            raise Cancelled(
                "stopped from the keyboard",
                where="evaluate",
                hint="what was measured stays; the same command goes on from it",
            ) from None
    if not terminal.result(report.as_record()):
        terminal.out.print(f"{report.output}/report.md", style="bold", markup=False)
        terminal.out.print(average_table(report), markup=False)
        for row in report.failures:
            assert isinstance(row.result, FarmError)
            terminal.error(row.result)
    return ExitCode.EVALUATION if report.failures else ExitCode.OK
