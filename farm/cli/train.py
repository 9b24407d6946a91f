"""`farm train`: the job from a file or from options, its progress, and how much the training helped."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich import box
from rich.console import Console
from rich.table import Table

from farm.cli.bars import TrainingBars
from farm.cli.guarding import ClipsOption, HeldOutOption, OverwriteOption, Run, argument, command, option
from farm.cli.output import UsageError, libraries_quiet
from farm.training.progress import TrainingReport
from jobs.documents import FieldPath
from jobs.errors import Cancelled, ExitCode
from jobs.locations import is_s3
from jobs.parse import LoadedTraining, load_training, parse_training
from jobs.train_spec import BASE

_EMPTY_JOB: Final = '{"apiVersion": "farm/v1", "kind": "TrainJob", "metadata": {}, "spec": {}}'

app = typer.Typer()


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainOptions:
    """What the command line says of the job; None leaves a field to the job's file or to its default.

    Paths are as typed: relative to where the command runs, not to the job's file.
    """

    stage: Annotated[str | None, option("--stage", "STAGE", "moda, faco or renderer.")] = None
    renderer: Annotated[
        str | None,
        option("--renderer", "KIND", "warped or paper; docs/training.md says which is taken otherwise."),
    ] = None
    clips: ClipsOption = None
    held_out: HeldOutOption = None
    start_from: Annotated[
        str | None,
        option(
            "--from",
            "WEIGHTS",
            "base for the base renderer, or the path or s3:// URI of weights. Default: from scratch.",
        ),
    ] = None
    subject: Annotated[str | None, option("--subject", "DIR", "The package that gets the renderer.")] = None
    name: Annotated[
        str | None,
        option(
            "--name",
            "NAME",
            "Name of the job; the same job goes on where it stopped. Default: the subject's folder.",
        ),
    ] = None
    preset: Annotated[str | None, option("--preset", "PRESET", "paper or cpu.")] = None
    steps: Annotated[int | None, option("--steps", "N", "Optimiser steps.", least=1)] = None
    workers: Annotated[int | None, option("--workers", "N", "Data-parallel workers.", least=1)] = None
    output: Annotated[
        str | None, option("--output", "URI", "Path or s3:// URI of the weights. Default: NAME.safetensors.")
    ] = None

    def fields(self) -> dict[FieldPath, Any]:
        """What was typed, by the path of the field in a job's document."""
        fields: dict[FieldPath, Any] = {
            ("metadata", "name"): self.name,
            ("spec", "stage"): self.stage,
            ("spec", "renderer"): self.renderer,
            ("spec", "clips"): [_from_here(clip) for clip in self.clips or ()] or None,
            ("spec", "held_out"): [_from_here(clip) for clip in self.held_out or ()] or None,
            ("spec", "start_from"): _from_here(self.start_from),
            ("spec", "subject"): _from_here(self.subject),
            ("spec", "preset"): self.preset,
            ("spec", "steps"): self.steps,
            ("spec", "workers"): self.workers,
            ("spec", "output", "uri"): _from_here(self.output),
        }
        return {path: value for path, value in fields.items() if value is not None}


@command(app, "train", uses_store=True)
def _train(
    run: Run,
    *,
    spec: Annotated[Path | None, argument("SPEC", "The train job, a YAML or JSON file.")] = None,
    options: TrainOptions,
    overwrite: OverwriteOption = False,
) -> ExitCode:
    """Train a stage: what SPEC asks for, or the options, which win over it.

    A run that was stopped or killed goes on from its last checkpoint in the store when it is started again.
    """
    loaded = _from_options(options) if spec is None else load_training(spec, fields=options.fields())
    loaded = replace(loaded, overwrite=overwrite)
    clips = loaded.find_clips()
    job = loaded.job
    held_out = f", {len(clips.held_out)} held out" if clips.held_out else ""
    run.terminal.note(f"{job.spec.stage} '{job.metadata.name}' on {len(clips.training)} clips{held_out}")
    with libraries_quiet(), TrainingBars(run.terminal, name=job.metadata.name) as bars:
        try:
            report = run.wiring.train(
                loaded, settings=run.settings, hardware=run.wiring.probe(), listener=bars
            )
        except KeyboardInterrupt:
            raise Cancelled(
                "stopped from the keyboard",
                where="train",
                hint="the last checkpoint stays; the same command goes on from it",
            ) from None
    if not run.terminal.result(report.as_record()):
        _show(report, loaded=loaded, bars=bars, out=run.terminal.out)
    return ExitCode.OK


def _from_here(place: str | None) -> str | None:
    """A place as typed, in a form that does not depend on where the job's file lies."""
    if place is None or not place.strip() or place == BASE or is_s3(place):
        return place
    return str(Path(place).absolute())


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


def _show(report: TrainingReport, *, loaded: LoadedTraining, bars: TrainingBars, out: Console) -> None:
    out.print(report.weights, style="bold", markup=False)
    out.print(f"  sha256 {report.weights_sha256}", markup=False)
    if loaded.subject is not None:
        out.print(f"  also in {loaded.subject}, which can be rendered now", markup=False)
    if report.limits is not None:
        limits = report.limits
        out.print(
            f"  limits fitted on {limits.frames} frames, {limits.unseen} of them never learnt from",
            markup=False,
        )
        for figure in limits.beyond:
            out.print(f"  not good: {figure}; its videos will be rejected (docs/inspection.md)", markup=False)
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
    before = bars.first.losses if bars.first is not None and report.resumed_from is None else {}
    after = bars.best.losses if bars.best is not None and bars.best.step == report.best_step else {}
    for name in dict.fromkeys([*before, *after]):
        table.add_row(name, _figure(before.get(name)), _figure(after.get(name)))
    out.print(table)


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.5g}"


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
