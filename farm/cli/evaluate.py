"""`farm evaluate`: videos of any system judged against the true one, named, or in a job that compares systems."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from farm.cli.ablations import AblationOptions, run_ablation_tables
from farm.cli.bars import EvaluationBars, StepBars
from farm.cli.guarding import OverwriteOption, Run, argument, command, flag, option
from farm.cli.output import Terminal, UsageError, libraries_quiet
from farm.destinations import check_destination
from farm.outputs import WRITTEN_MANIFEST, OutputFiles
from farm.translation import translated
from jobs.errors import Cancelled, ExitCode, FarmError
from jobs.installation import INSTALL_ALL
from jobs.parse import load_evaluation
from jobs.places import JobPlaces, Place, check_places
from stages.evaluation.report_names import report_files

if TYPE_CHECKING:
    from stages.evaluation.pair import TakesEvaluation

_REPORT_BYTES = 16 * 1024**2
_SAMPLE_EVERY: Final = 5

app = typer.Typer()


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoOptions:
    """Videos named on the command line, and how to judge them."""

    generated: Annotated[
        list[Path] | None,
        option(
            "--generated", "VIDEO", "A video to judge, by any system; once for each take of the same speech."
        ),
    ] = None
    truth: Annotated[Path | None, option("--truth", "VIDEO", "The true video of the same speech.")] = None
    speech: Annotated[
        Path | None, option("--speech", "FILE", "The sound to judge sync by. Default: each video's own.")
    ] = None
    syncnet: Annotated[
        Path | None,
        option(
            "--syncnet", "DIR", "Folder with SyncNet's weights, to judge sync by it. Default: our own judge."
        ),
    ] = None
    out: Annotated[
        Path | None, option("--out", "DIR", "Folder for the page, its data, plots and worst frames.")
    ] = None
    sample_every: Annotated[
        int | None,
        option("--sample-every", "N", f"Measure NIQE on every Nth frame. Default: {_SAMPLE_EVERY}.", least=1),
    ] = None

    @property
    def names_videos(self) -> bool:
        """Whether anything to judge, to judge by, or how to, was named."""
        return any((self.generated, self.truth, self.speech, self.syncnet, self.sample_every))

    @property
    def names_something(self) -> bool:
        """Whether a file or a folder was named."""
        return self.names_videos or self.out is not None


@command(app, "evaluate", uses_store=True)
def _evaluate(
    run: Run,
    *,
    spec: Annotated[Path | None, argument("SPEC", "An evaluate job, a YAML or JSON file.")] = None,
    videos: VideoOptions,
    ablations: Annotated[
        bool,
        flag(
            "--ablations",
            "Train and judge the variants of the paper's Tables 3, 4 and 5; what was trained before is kept.",
        ),
    ] = False,
    studies: AblationOptions,
    overwrite: OverwriteOption = False,
) -> ExitCode:
    """Judge videos by any system against the true one: lips, pictures, motion, sync.

    Name the videos, or give a SPEC that compares systems over many clips: what it measured once is kept in the store.
    With --ablations, train and judge the variants of the paper's Tables 3, 4 and 5.
    """
    studies.check_alone(wanted=ablations, videos=spec is not None or videos.names_videos)
    if ablations:
        return run_ablation_tables(run, studies.request(out=videos.out, overwrite=overwrite))
    if spec is None:
        return _evaluate_videos(videos, overwrite=overwrite, terminal=run.terminal)
    return _evaluate_job(run, spec, videos=videos, overwrite=overwrite)


def _evaluate_videos(videos: VideoOptions, *, overwrite: bool, terminal: Terminal) -> ExitCode:
    """Judge the videos that the options name, and show how they do.

    Raises:
        FarmError: a video is missing or unusable, a model file is not installed, or the folder cannot be written.
    """
    if not videos.generated or videos.truth is None:
        raise UsageError(
            "there is nothing to judge",
            where="command line",
            hint="name both: farm evaluate --generated A.mp4 --truth B.mp4",
        )
    out = None if videos.out is None else videos.out.absolute()
    report = None if out is None else _report_files(out, videos, overwrite=overwrite)
    judged = _judge(videos, generated=videos.generated, truth=videos.truth, terminal=terminal)
    # Loads what the judging has loaded.
    from stages.evaluation.table import takes_markdown
    from stages.evaluation.written_report import takes_record, write_report

    if report is not None:
        with translated("--out"), report.writing() as folder:
            write_report(judged, folder)
    if not terminal.result({**takes_record(judged), "report": None if out is None else str(out)}):
        terminal.out.print(takes_markdown(judged), markup=False)
        if out is not None:
            terminal.out.print(f"{out}", style="bold", markup=False)
    return ExitCode.OK


def _judge(
    videos: VideoOptions, *, generated: list[Path], truth: Path, terminal: Terminal
) -> TakesEvaluation:
    with translated(str(truth)):
        # Loads torch and MediaPipe: not before they are needed.
        with _needed():
            from stages.evaluation.options import EvaluationOptions
            from stages.evaluation.pair import evaluate_takes
        with libraries_quiet(), StepBars(terminal) as bars:
            return evaluate_takes(
                generated,
                truth,
                speech=videos.speech,
                options=EvaluationOptions(
                    sample_every=videos.sample_every or _SAMPLE_EVERY, syncnet=videos.syncnet
                ),
                progress=lambda step, done, total: bars.show(step, done=done, total=total, unit="frames"),
            )


def _report_files(out: Path, videos: VideoOptions, *, overwrite: bool) -> OutputFiles:
    """The report's files, held against the videos and against what is there before anything is judged."""
    generated = videos.generated or ()
    names = report_files(len(generated))
    reads = [Place(location=str(video.absolute()), field="--generated") for video in generated]
    for field, path in (("--truth", videos.truth), ("--speech", videos.speech)):
        if path is not None:
            reads.append(Place(location=str(path.absolute()), field=field))
    if videos.syncnet is not None:
        reads.append(Place(location=str(videos.syncnet.absolute()), field="--syncnet", is_folder=True))
    writes = [Place(location=str(out / name), field="--out") for name in (*names, WRITTEN_MANIFEST)]
    check_places(JobPlaces(reads=tuple(reads), writes=tuple(writes)))
    check_destination(out / WRITTEN_MANIFEST, need_bytes=_REPORT_BYTES, where="--out")
    report = OutputFiles(
        home=str(out),
        manifest=WRITTEN_MANIFEST,
        field="--out",
        by="evaluate --generated",
        overwrite=overwrite,
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
            hint=INSTALL_ALL,
        ) from error


def _evaluate_job(run: Run, spec: Path, *, videos: VideoOptions, overwrite: bool) -> ExitCode:
    """Judge what a file asks for, write the report and show its first table.

    Raises:
        UsageError: Videos are named as well.
        FarmError: See `farm.evaluation.evaluate_job.evaluate_job`.
    """
    from farm.evaluation.evaluate_job import evaluate_job, opened_judges
    from farm.evaluation.markdown import average_table

    if videos.names_something:
        raise UsageError(
            "SPEC says what is judged, and so do the options",
            where="command line",
            hint="give one of them: farm evaluate SPEC, or farm evaluate --generated A.mp4 --truth B.mp4",
        )
    loaded = load_evaluation(spec, overwrite=overwrite)
    open_pool = partial(
        opened_judges,
        judge=run.wiring.judge,
        workers=loaded.job.spec.workers,
        settings=run.settings,
        hardware=run.wiring.probe(),
    )
    terminal = run.terminal
    with libraries_quiet(), EvaluationBars(terminal) as bars:
        try:
            report = evaluate_job(loaded, settings=run.settings, open_pool=open_pool, listener=bars)
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
