"""The commands and their options; what they do is in the modules beside this one."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

from farm.cli.ablation_options import (
    AblationOptions,
    AblationsOption,
    MotionStepsOption,
    PortraitOption,
    RendererStepsOption,
    TableOption,
)
from farm.cli.ablations import run_ablation_tables
from farm.cli.common_options import (
    EXIT_CODES,
    JsonOption,
    OverwriteOption,
    ReplicasOption,
    SpecArgument,
    StoreOption,
)
from farm.cli.control_app import control_app
from farm.cli.doctor import run_doctor
from farm.cli.evaluate import run_evaluate
from farm.cli.evaluate_job import run_evaluate_job
from farm.cli.evaluate_options import (
    EvaluateOptions,
    EvaluateSpecArgument,
    GeneratedOption,
    OutOption,
    ReferenceOption,
    SampleEveryOption,
    SpeechOption,
    SyncNetOption,
)
from farm.cli.guarding import Guard, guarded
from farm.cli.journal import journal_app
from farm.cli.output import OutputClosed, Terminal, UsageError
from farm.cli.plan import run_plan
from farm.cli.render import run_render
from farm.cli.simulate import run_simulate
from farm.cli.subject import run_prepare, run_table
from farm.cli.train import run_train
from farm.cli.train_options import (
    ClipsOption,
    HeldOutOption,
    NameOption,
    OutputOption,
    PresetOption,
    StageOption,
    StartOption,
    StepsOption,
    SubjectOption,
    TrainOptions,
    TrainSpecArgument,
    WorkersOption,
)
from farm.cli.wiring import Wiring
from infra.settings import FarmSettings
from jobs.errors import ExitCode, FarmError
from jobs.version import engine_version

app = typer.Typer(
    name="farm",
    help="A render farm for talking portraits: speech and a subject in, a finished video out.",
    epilog=f"Exit codes:\n\n{EXIT_CODES}",
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)


subject_app = typer.Typer(
    help="Subjects: from a clip to a package.", no_args_is_help=True, rich_markup_mode="rich"
)
app.add_typer(subject_app, name="subject")
app.add_typer(control_app)
app.add_typer(journal_app, name="journal")


def main(arguments: Sequence[str] | None = None, *, wiring: Wiring | None = None) -> int:
    """Run the command line.

    Args:
        arguments: What follows the word ``farm``; those of the process where none are given.
        wiring: What the commands work with; the real stages on a Ray cluster where none is given.

    Returns:
        The exit code.
    """
    arguments = list(sys.argv[1:] if arguments is None else arguments)

    def run() -> int:
        try:
            return int(app(arguments, standalone_mode=False, prog_name="farm", obj=wiring or Wiring()) or 0)
        except typer.TyperException as error:
            # Unknown options, missing arguments: the parser's own errors, in our form.
            message = error.format_message().rstrip(".")
            raise UsageError(message, where="command line", hint="see farm --help") from error
        except SystemExit as end:
            # So ends the parser where nobody reads its help any more.
            raise OutputClosed from end

    # Commands have a guard of their own; this one is for what happens before and after them.
    guard = Guard(name="farm", terminal=Terminal(as_json="--json" in arguments))
    with suppress(FarmError):
        guard.cache = FarmSettings.from_environment().cache
    return guard.code_of(run)


@app.callback(invoke_without_command=True)
def _farm(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", is_eager=True)
    ] = False,
) -> None:
    if version:
        sys.stdout.write(f"moda-farm {engine_version()}\n")
        raise typer.Exit


@app.command("render", epilog=f"Exit codes:\n\n{EXIT_CODES}")
def _render(
    context: typer.Context,
    spec: SpecArgument,
    replicas: ReplicasOption = None,
    overwrite: OverwriteOption = False,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Render a job: the video and its manifest appear where the job says.

    Segments that an earlier run committed to the store are not rendered again.
    """
    guarded(
        lambda settings, terminal, wiring: run_render(
            spec,
            replicas=replicas,
            overwrite=overwrite,
            settings=settings,
            terminal=terminal,
            wiring=wiring,
        ),
        context=context,
        store=store,
        as_json=as_json,
    )


@app.command("plan", epilog=f"Exit codes:\n\n{EXIT_CODES}")
def _plan(
    context: typer.Context,
    spec: SpecArgument,
    overwrite: OverwriteOption = False,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what rendering a job would do, without rendering: frames, windows, segments, keys, weights."""
    guarded(
        lambda settings, terminal, wiring: run_plan(
            spec, overwrite=overwrite, settings=settings, terminal=terminal, wiring=wiring
        ),
        context=context,
        store=store,
        as_json=as_json,
    )


@app.command("train", epilog=f"Exit codes:\n\n{EXIT_CODES}")
def _train(
    context: typer.Context,
    spec: TrainSpecArgument = None,
    stage: StageOption = None,
    clips: ClipsOption = None,
    held_out: HeldOutOption = None,
    start_from: StartOption = None,
    subject: SubjectOption = None,
    name: NameOption = None,
    preset: PresetOption = None,
    steps: StepsOption = None,
    workers: WorkersOption = None,
    output: OutputOption = None,
    overwrite: OverwriteOption = False,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Train a stage: what SPEC asks for, or the options, which win over it.

    A run that was stopped or killed goes on from its last checkpoint in the store when it is started again.
    """
    options = TrainOptions(
        stage=stage,
        clips=clips,
        held_out=held_out,
        start_from=start_from,
        subject=subject,
        name=name,
        preset=preset,
        steps=steps,
        workers=workers,
        output=output,
    )
    guarded(
        lambda settings, terminal, wiring: run_train(
            spec,
            options=options,
            overwrite=overwrite,
            settings=settings,
            terminal=terminal,
            wiring=wiring,
        ),
        context=context,
        store=store,
        as_json=as_json,
    )


@app.command("evaluate", epilog=f"Exit codes:\n\n{EXIT_CODES}")
def _evaluate(
    context: typer.Context,
    spec: EvaluateSpecArgument = None,
    generated: GeneratedOption = None,
    reference: ReferenceOption = None,
    speech: SpeechOption = None,
    syncnet: SyncNetOption = None,
    out: OutOption = None,
    sample_every: SampleEveryOption = None,
    ablations: AblationsOption = False,
    table: TableOption = None,
    clips: ClipsOption = None,
    held_out: HeldOutOption = None,
    portrait: PortraitOption = None,
    motion_steps: MotionStepsOption = None,
    renderer_steps: RendererStepsOption = None,
    overwrite: OverwriteOption = False,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Judge videos by any system against the true one: lips, pictures, motion, sync.

    Name the videos, or give a SPEC that compares systems over many clips: what it measured once is kept in the store.
    With --ablations, train and judge the variants of the paper's Tables 3, 4 and 5.
    """
    studies = AblationOptions(
        clips=clips or (),
        held_out=held_out or (),
        portrait=portrait,
        tables=table or (),
        motion_steps=motion_steps,
        renderer_steps=renderer_steps,
    )
    options = EvaluateOptions(
        generated=tuple(generated or ()),
        reference=reference,
        speech=speech,
        syncnet=syncnet,
        out=out,
        sample_every=sample_every,
        overwrite=overwrite,
    )

    def run(settings: FarmSettings, terminal: Terminal, wiring: Wiring) -> ExitCode:
        studies.check_alone(wanted=ablations, videos=spec is not None or options.names_videos)
        if ablations:
            request = studies.request(out=out, overwrite=overwrite)
            return run_ablation_tables(request, settings=settings, terminal=terminal, wiring=wiring)
        if spec is None:
            return run_evaluate(options, terminal=terminal)
        return run_evaluate_job(spec, options=options, settings=settings, terminal=terminal, wiring=wiring)

    guarded(run, context=context, store=store, as_json=as_json)


@app.command("simulate", epilog=f"Exit codes:\n\n{EXIT_CODES}")
def _simulate(
    context: typer.Context,
    scenario: Annotated[
        Path, typer.Argument(metavar="SCENARIO", help="The simulation, a YAML file.", show_default=False)
    ],
    plot: Annotated[
        Path | None,
        typer.Option("--plot", metavar="FILE", help="Draw what each replica did when.", show_default=False),
    ] = None,
    overwrite: OverwriteOption = False,
    as_json: JsonOption = False,
) -> None:
    """Simulate a shared farm on a virtual clock: shares, waits, cold loads, re-renders."""
    guarded(
        lambda _settings, terminal, _wiring: run_simulate(
            scenario, plot=plot, overwrite=overwrite, terminal=terminal
        ),
        context=context,
        store=None,
        as_json=as_json,
    )


@app.command("doctor", epilog=f"Exit codes:\n\n{EXIT_CODES}")
def _doctor(context: typer.Context, store: StoreOption = None, as_json: JsonOption = False) -> None:
    """Check that this machine can render: libraries, hardware, encoder, weights, cluster."""
    guarded(
        lambda settings, terminal, wiring: run_doctor(settings=settings, terminal=terminal, wiring=wiring),
        context=context,
        store=store,
        as_json=as_json,
    )


@subject_app.command("prepare", epilog=f"Exit codes:\n\n{EXIT_CODES}")
def _subject_prepare(
    context: typer.Context,
    clip: Annotated[
        Path, typer.Argument(metavar="CLIP", help="A video of the subject speaking.", show_default=False)
    ],
    name: Annotated[
        str, typer.Option("--name", metavar="N", help="Name of the subject.", show_default=False)
    ],
    consent: Annotated[
        Path,
        typer.Option(
            "--consent", metavar="FILE", help="The document in which the person agrees.", show_default=False
        ),
    ],
    out: Annotated[
        Path, typer.Option("--out", metavar="DIR", help="Folder of the subject package.", show_default=False)
    ],
    audio_lag: Annotated[
        int | None,
        typer.Option(
            "--audio-lag",
            min=-250,
            max=250,
            metavar="N",
            help="Frames (of 40 ms) by which the sound lags the lips; 0 leaves it. Default: found out.",
            show_default=False,
        ),
    ] = None,
    overwrite: OverwriteOption = False,
    as_json: JsonOption = False,
) -> None:
    """Prepare a subject from a clip: package, training data and a quality report.

    A run that was stopped goes on when it is started again with the same inputs.
    """
    guarded(
        lambda _settings, terminal, _wiring: run_prepare(
            clip,
            name=name,
            consent=consent,
            out=out,
            audio_lag=audio_lag,
            overwrite=overwrite,
            terminal=terminal,
        ),
        context=context,
        store=None,
        as_json=as_json,
    )


@subject_app.command("table", epilog=f"Exit codes:\n\n{EXIT_CODES}")
def _subject_table(
    context: typer.Context,
    folders: Annotated[
        list[Path], typer.Argument(metavar="DIR...", help="Folders of prepared subjects.", show_default=False)
    ],
    as_json: JsonOption = False,
) -> None:
    """Show the quality reports of several subjects as one Markdown table."""
    guarded(
        lambda _settings, terminal, _wiring: run_table(folders, terminal=terminal),
        context=context,
        store=None,
        as_json=as_json,
    )
