"""`farm evaluate --ablations`: the paper's Tables 3, 4 and 5, trained and judged under one budget."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Annotated, Final

from farm.cli.bars import StepBars, TrainingBars
from farm.cli.guarding import ClipsOption, HeldOutOption, Run, option
from farm.cli.output import Terminal, UsageError, libraries_quiet
from farm.destinations import check_destination
from farm.evaluation.ablations import TABLES, AblationRequest, judging_clips
from farm.outputs import WRITTEN_MANIFEST, OutputFiles, check_replaceable
from farm.training.progress import TrainingReport
from farm.translation import translated
from jobs.errors import Cancelled, ExitCode
from jobs.folders import find_clips
from jobs.parse import LoadedTraining
from jobs.places import JobPlaces, Place, check_places
from jobs.train_spec import weights_manifest

REPORT_NAME = "ablations"

_MOTION_STEPS: Final = 400
_RENDERER_STEPS: Final = 600
"""What two cores do in about forty minutes for all seven networks."""

_TAKES: Final = 10
_SEEDS: Final = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class AblationOptions:
    """What was typed; see `AblationRequest` for what it means."""

    tables: Annotated[
        list[int] | None,
        option(
            "--table",
            "N",
            "With --ablations: 3, 4 or 5; repeatable. Default: all.",
            least=min(TABLES),
            most=max(TABLES),
        ),
    ] = None
    clips: ClipsOption = None
    held_out: HeldOutOption = None
    judged: Annotated[
        list[str] | None,
        option(
            "--judged",
            "DIR",
            "With --ablations: a clip that judges the networks of Table 3 and has no part in choosing them. "
            "Repeatable; default: those held out.",
        ),
    ] = None
    portrait: Annotated[
        Path | None,
        option(
            "--portrait",
            "DIR",
            "With --ablations: the prepared clip that the renderers of Tables 4 and 5 learn and are judged on.",
        ),
    ] = None
    motion_steps: Annotated[
        int | None,
        option(
            "--motion-steps",
            "N",
            f"With --ablations: of each network of Table 3. Default: {_MOTION_STEPS}.",
            least=1,
        ),
    ] = None
    renderer_steps: Annotated[
        int | None,
        option(
            "--renderer-steps",
            "N",
            f"With --ablations: of each renderer. Default: {_RENDERER_STEPS}.",
            least=1,
        ),
    ] = None
    seeds: Annotated[
        int | None,
        option(
            "--seeds",
            "N",
            f"With --ablations: how often each network is trained. Default: {_SEEDS}.",
            least=1,
        ),
    ] = None
    takes: Annotated[
        int | None,
        option(
            "--takes",
            "N",
            f"With --ablations: over which Diverse is taken. Default: {_TAKES}.",
            least=2,
        ),
    ] = None

    def check_alone(self, *, wanted: bool, videos: bool) -> None:
        """Whether the options belong to what is to be done: nobody should believe that one did something.

        Args:
            wanted: Whether ablations were asked for.
            videos: Whether a job or videos were named.

        Raises:
            UsageError: An option has no part in it.
        """
        if wanted and videos:
            raise UsageError(
                "--ablations makes what it judges, and takes neither SPEC nor videos, nor how these are judged",
                where="command line",
                hint="leave one of them out",
            )
        if not wanted and any(astuple(self)):
            raise UsageError(
                "--table, --clips, --held-out, --judged, --portrait, --motion-steps, --renderer-steps, --seeds and "
                "--takes belong to --ablations",
                where="command line",
                hint="add --ablations, or leave them out",
            )

    def request(self, *, out: Path | None, overwrite: bool) -> AblationRequest:
        """The request, with paths that do not depend on the current folder; `out` is ``ablations`` by default."""
        return AblationRequest(
            clips=tuple(str(Path(clip).absolute()) for clip in self.clips or ()),
            held_out=tuple(str(Path(clip).absolute()) for clip in self.held_out or ()),
            judged=tuple(str(Path(clip).absolute()) for clip in self.judged or ()),
            portrait=None if self.portrait is None else self.portrait.absolute(),
            tables=tuple(sorted(set(self.tables or ()))) or tuple(TABLES),
            motion_steps=self.motion_steps or _MOTION_STEPS,
            renderer_steps=self.renderer_steps or _RENDERER_STEPS,
            takes=self.takes or _TAKES,
            seeds=self.seeds or _SEEDS,
            out=(out or Path("ablations")).absolute(),
            overwrite=overwrite,
        )


def run_ablation_tables(run: Run, request: AblationRequest) -> ExitCode:
    """Train and judge the variants, write the tables and show them.

    Raises:
        FarmError: A table lacks its clips, or see `farm.training.train_job.train`.
    """
    from farm.evaluation.ablations import run_ablations
    from farm.evaluation.markdown import ablations_page

    _check(request)
    report = _report_files(request)
    hardware = run.wiring.probe()

    def train(job: LoadedTraining) -> TrainingReport:
        with TrainingBars(run.terminal, name=job.job.metadata.name) as bars:
            return run.wiring.train(job, settings=run.settings, hardware=hardware, listener=bars)

    listener = _Shown(run.terminal)
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
    text = ablations_page(tables)
    record = {"tables": [table.as_record() for table in tables]}
    with report.writing() as folder:
        (folder / f"{REPORT_NAME}.md").write_text(text, encoding="utf-8")
        (folder / f"{REPORT_NAME}.json").write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    if not run.terminal.result(record):
        run.terminal.out.print(text, markup=False)
    return ExitCode.OK


def _report_files(request: AblationRequest) -> OutputFiles:
    """The report's files, held against the clips and against what is there before anything is trained."""
    names = (f"{REPORT_NAME}.md", f"{REPORT_NAME}.json")
    clips = [] if request.portrait is None else [(request.portrait, "--portrait")]
    if request.clips:
        found = find_clips(request.clips, held_out=request.held_out)
        clips += [(clip, "--clips") for clip in found.training]
        clips += [(clip, "--held-out") for clip in found.held_out]
        clips += [
            (clip, "--judged") for clip in _strangers(request, known=(*found.training, *found.held_out))
        ]
    reads = [Place(location=str(clip), field=field, is_folder=True) for clip, field in clips]
    writes = [Place(location=str(request.out / name), field="--out") for name in (*names, WRITTEN_MANIFEST)]
    weights = {
        str(request.weights_of(variant, seed)): None
        for table in request.tables
        for variant in TABLES[table]
        for seed in range(request.seeds)
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


def _strangers(request: AblationRequest, *, known: Sequence[Path]) -> tuple[Path, ...]:
    """The clips of --judged. Raises UsageError where training or the choice of a step sees one of them."""
    if not request.judged:
        return ()
    judged = judging_clips(request)
    if seen := [clip for clip in judged if clip in known]:
        raise UsageError(
            f"{seen[0].name} is to judge networks that learn from it or are chosen by it",
            where="--judged",
            hint="name clips that neither --clips nor --held-out names",
        )
    return judged


class _Shown:
    """Tells what happens: one line for a training, which has bars of its own, and a bar for each judgement."""

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal
        self._bars: StepBars | None = None

    def training(self, label: str, *, table: int, seed: int) -> None:
        """See `farm.evaluation.ablations.AblationListener.training`."""
        self.close()
        self._terminal.note(f"Table {table}: {label}, seed {seed}")

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
