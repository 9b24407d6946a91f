"""`farm train`: the job from a file or from options, its progress, and how much the training helped."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Final

from rich import box
from rich.table import Table

from farm.cli.output import Terminal, UsageError, libraries_quiet
from farm.cli.train_options import TrainOptions
from farm.cli.training_bars import TrainingBars
from farm.cli.wiring import Wiring
from farm.training.progress import Validated
from farm.training.report import TrainingReport
from infra.settings import FarmSettings
from jobs.errors import Cancelled, ExitCode
from jobs.parse import LoadedTraining, load_training, parse_training

_EMPTY_JOB: Final = '{"apiVersion": "farm/v1", "kind": "TrainJob", "metadata": {}, "spec": {}}'


def run_train(
    spec: Path | None,
    *,
    options: TrainOptions,
    overwrite: bool,
    settings: FarmSettings,
    terminal: Terminal,
    wiring: Wiring,
) -> ExitCode:
    """Train what a file or the options ask for and show the result.

    Args:
        spec: The file; None where the options are the whole job.
        options: They win over the file.
        overwrite: Whether files that the farm did not write may be replaced.
        settings: Of this process.
        terminal: Where to show.
        wiring: The engine and the machine.

    Raises:
        FarmError: See `farm.training.run.train`.
    """
    loaded = _from_options(options) if spec is None else load_training(spec, fields=options.fields())
    loaded = replace(loaded, overwrite=overwrite)
    clips = loaded.find_clips()
    job = loaded.job
    held_out = f", {len(clips.held_out)} held out" if clips.held_out else ""
    terminal.note(f"{job.spec.stage} '{job.metadata.name}' on {len(clips.training)} clips{held_out}")
    with libraries_quiet(), TrainingBars(terminal, name=job.metadata.name) as bars:
        try:
            report = wiring.train(loaded, settings=settings, hardware=wiring.probe(), listener=bars)
        except KeyboardInterrupt:
            raise Cancelled(
                "stopped from the keyboard",
                where="train",
                hint="the last checkpoint stays; the same command goes on from it",
            ) from None
    if not terminal.result(report.as_record()):
        _show(report, loaded=loaded, first=bars.first, best=bars.best, terminal=terminal)
    return ExitCode.OK


def _from_options(options: TrainOptions) -> LoadedTraining:
    """The job that the options describe, with relative places and the default output in the current folder."""
    if options.stage is None or not (options.clips or options.subject):
        raise UsageError(
            "needs SPEC, or --stage with --clips or --subject", where="train", hint="see farm train --help"
        )
    fields = options.fields()
    subject = fields.get(("spec", "subject"))
    # A new subject is trained on itself and called like its folder, unless somebody says otherwise.
    fields.setdefault(("spec", "clips"), [subject])
    fields.setdefault(("metadata", "name"), Path(subject).name if subject is not None else options.stage)
    return parse_training(_EMPTY_JOB, folder=Path.cwd(), where="command line", fields=fields)


def _show(
    report: TrainingReport,
    *,
    loaded: LoadedTraining,
    first: Validated | None,
    best: Validated | None,
    terminal: Terminal,
) -> None:
    out = terminal.out
    out.print(report.weights, style="bold", markup=False)
    out.print(f"  sha256 {report.weights_sha256}", markup=False)
    if loaded.subject is not None:
        out.print(f"  also in {loaded.subject}, which can be rendered now", markup=False)
    out.print(f"  checkpoints  {report.checkpoints}", markup=False)
    out.print(f"  logs         {report.logs}", markup=False)
    workers = "1 worker" if report.workers == 1 else f"{report.workers} workers"
    resumed = "" if report.resumed_from is None else f", from step {report.resumed_from}"
    table = Table(
        box=box.SIMPLE_HEAD,
        title=f"{report.steps} steps{resumed}, {_duration(report.seconds)} on {workers}",
        title_justify="left",
    )
    table.add_column("validation")
    table.add_column("before", justify="right")
    table.add_column(f"best, step {report.best_step}", justify="right")
    table.add_row("score (lower is better)", f"{report.first_score:.5g}", f"{report.best_score:.5g}")
    # A run that went on from a checkpoint was first validated by an earlier start of it.
    before = first.losses if first is not None and report.resumed_from is None else {}
    after = best.losses if best is not None and best.step == report.best_step else {}
    for name in dict.fromkeys([*before, *after]):
        table.add_row(name, _figure(before.get(name)), _figure(after.get(name)))
    out.print(table)


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.5g}"


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
