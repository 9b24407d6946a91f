"""`farm evaluate --ablations`: the paper's Tables 3, 4 and 5, trained and judged under one budget."""

from __future__ import annotations

import json

from farm.cli.bars import StepBars
from farm.cli.output import Terminal, UsageError, libraries_quiet
from farm.cli.training_bars import TrainingBars
from farm.cli.wiring import Wiring
from farm.evaluation.ablation_report import markdown_report
from farm.evaluation.ablations import run_ablations
from farm.evaluation.variants import TABLES, AblationRequest
from farm.training.report import TrainingReport
from farm.translation import translated
from infra.settings import FarmSettings
from jobs.errors import Cancelled, DiskFull, ExitCode
from jobs.parse import LoadedTraining

REPORT_NAME = "ablations"


def run_ablation_tables(
    request: AblationRequest, *, settings: FarmSettings, terminal: Terminal, wiring: Wiring
) -> ExitCode:
    """Train and judge the variants, write the tables and show them.

    Raises:
        FarmError: A table lacks its clips, or see `farm.training.run.train`.
    """
    _check(request)
    hardware = wiring.probe()

    def train(job: LoadedTraining) -> TrainingReport:
        with TrainingBars(terminal, name=job.job.metadata.name) as bars:
            return wiring.train(job, settings=settings, hardware=hardware, listener=bars)

    listener = _Shown(terminal)
    with libraries_quiet(), translated("ablations"):
        try:
            tables = run_ablations(request, train=train, listener=listener)
        except KeyboardInterrupt:
            raise Cancelled(
                "stopped from the keyboard",
                where="ablations",
                hint="the same command goes on where it stopped",
            ) from None
        finally:
            listener.close()
    text = markdown_report(tables)
    record = {"tables": [table.as_record() for table in tables]}
    try:
        request.out.mkdir(parents=True, exist_ok=True)
        (request.out / f"{REPORT_NAME}.md").write_text(text)
        (request.out / f"{REPORT_NAME}.json").write_text(json.dumps(record, indent=2) + "\n")
    except OSError as error:
        raise DiskFull.or_unwritable(
            error, where=str(request.out), hint="give another folder with --out"
        ) from error
    if not terminal.result(record):
        terminal.out.print(text, markup=False)
    return ExitCode.OK


class _Shown:
    """Tells what happens: one line for a training, which has bars of its own, and a bar for each judgement."""

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal
        self._bars: StepBars | None = None

    def training(self, label: str, *, table: int) -> None:
        """See `farm.evaluation.ablations.AblationListener.training`."""
        self.close()
        self._terminal.note(f"Table {table}: {label}")

    def judging(self, label: str, *, table: int, done: int, total: int) -> None:
        """See `farm.evaluation.ablations.AblationListener.judging`."""
        if self._bars is None:
            self._bars = StepBars(self._terminal)
            self._bars.__enter__()
        self._bars.show(f"judging {label}", done=done, total=total, unit="frames")

    def close(self) -> None:
        """Take the bar of the last judgement off, so that a training can draw."""
        if self._bars is not None:
            self._bars.__exit__(None, None, None)
            self._bars = None


def _check(request: AblationRequest) -> None:
    stages = {variant.stage for table in request.tables for variant in TABLES[table]}
    if "moda" in stages and not (request.clips and request.held_out):
        raise UsageError(
            "Table 3 needs prepared clips to learn from and others to judge on",
            where="--clips, --held-out",
            hint="name folders of farm subject prepare, or leave the table out with --table",
        )
    if "renderer" in stages and request.portrait is None:
        raise UsageError(
            "Tables 4 and 5 need a prepared clip to train renderers on",
            where="--portrait",
            hint="name a folder of farm subject prepare, or leave the tables out with --table",
        )
