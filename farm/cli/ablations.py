"""`farm evaluate --ablations`: the paper's Tables 3, 4 and 5, trained and judged under one budget."""

from __future__ import annotations

import json

from farm.cli.bars import StepBars
from farm.cli.output import Terminal, UsageError, libraries_quiet
from farm.cli.training_bars import TrainingBars
from farm.cli.wiring import Wiring
from farm.destinations import check_destination
from farm.evaluation.ablation_report import markdown_report
from farm.evaluation.ablations import run_ablations
from farm.evaluation.variants import TABLES, AblationRequest
from farm.outputs import WRITTEN_MANIFEST, OutputFiles, check_replaceable
from farm.training.report import TrainingReport
from farm.translation import translated
from infra.settings import FarmSettings
from jobs.errors import Cancelled, ExitCode
from jobs.folders import find_clips
from jobs.parse import LoadedTraining
from jobs.places import JobPlaces, Place, check_places
from jobs.train_spec import weights_manifest

REPORT_NAME = "ablations"


def run_ablation_tables(
    request: AblationRequest, *, settings: FarmSettings, terminal: Terminal, wiring: Wiring
) -> ExitCode:
    """Train and judge the variants, write the tables and show them.

    Raises:
        FarmError: A table lacks its clips, or see `farm.training.run.train`.
    """
    _check(request)
    report = _report_files(request)
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
    with report.writing() as folder:
        (folder / f"{REPORT_NAME}.md").write_text(text, encoding="utf-8")
        (folder / f"{REPORT_NAME}.json").write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    if not terminal.result(record):
        terminal.out.print(text, markup=False)
    return ExitCode.OK


def _report_files(request: AblationRequest) -> OutputFiles:
    """The report's files, held against the clips and against what is there before anything is trained."""
    names = (f"{REPORT_NAME}.md", f"{REPORT_NAME}.json")
    clips = [] if request.portrait is None else [(request.portrait, "--portrait")]
    if request.clips:
        found = find_clips(request.clips, held_out=request.held_out)
        clips += [(clip, "--clips") for clip in found.training]
        clips += [(clip, "--held-out") for clip in found.held_out]
    reads = [Place(location=str(clip), field=field, is_folder=True) for clip, field in clips]
    writes = [Place(location=str(request.out / name), field="--out") for name in (*names, WRITTEN_MANIFEST)]
    weights = {
        str(request.weights_of(variant)): variant for table in request.tables for variant in TABLES[table]
    }
    for path in weights:
        writes += [Place(location=place, field="--out") for place in (path, weights_manifest(path))]
    check_places(JobPlaces(reads=tuple(reads), writes=tuple(writes)))
    check_destination(request.out / WRITTEN_MANIFEST, where="--out")
    for path in weights:
        check_replaceable(
            [Place(location=path, field="--out")],
            manifest=Place(location=weights_manifest(path), field="--out"),
            overwrite=request.overwrite,
        )
    report = OutputFiles(
        home=str(request.out),
        manifest=WRITTEN_MANIFEST,
        field="--out",
        by="evaluate --ablations",
        overwrite=request.overwrite,
    )
    report.check(names)
    return report


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
