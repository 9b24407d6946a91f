"""What an actor does with a pair: fetch it, have it judged, put its plots where they belong, commit its figures."""

from __future__ import annotations

import logging
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from farm.evaluation.judge import JudgeOptions, PairFiles, PairJudge
from farm.evaluation.records import PairRecord, Result
from farm.outputs import WRITTEN_MANIFEST, OutputFiles, manifest_of
from farm.translation import translate
from infra.fetch import fetch_file
from infra.storage import ObjectStore, open_store
from jobs.errors import PairFailed, SegmentDivergence, SegmentFailed
from jobs.evaluation_pairs import EvaluationPair
from stages.evaluation.report_names import report_files

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkSetup:
    """What every worker of a job must know.

    Attributes:
        store: Address of the object store.
        cache: Folder for downloads.
        options: What is measured.
    """

    store: str
    cache: Path
    options: JudgeOptions


@dataclass(frozen=True, slots=True)
class PlotKeys:
    """Plots in the store, beside the figures of their pair."""

    prefix: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PairTask:
    """One pair to judge.

    Attributes:
        pair: The videos.
        key: Where its figures are committed.
        plots: Folder for its page and plots, or their keys in the store; None draws none.
        overwrite: Whether files that the farm did not write may be replaced in the folder.
    """

    pair: EvaluationPair
    key: str
    plots: Path | PlotKeys | None
    overwrite: bool = False

    def __str__(self) -> str:
        return str(self.pair)


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """The pair's figures, or why it has none."""

    task: PairTask
    result: Result


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeDied:
    """The actor that held the pair is gone."""

    task: PairTask
    reason: str


class PairWorker:
    """Judges pairs, one after the other. Figures are committed last: they say that all the rest is done."""

    def __init__(self, *, judge: PairJudge, setup: WorkSetup) -> None:
        self._judge, self._setup = judge, setup

    def perform(self, task: PairTask) -> Result:
        """Do the task. Errors come back as values: exceptions of unknown classes do not survive every transport."""
        try:
            with tempfile.TemporaryDirectory(prefix="farm-plots-") as scratch:
                return self._perform(task, scratch=Path(scratch))
        except Exception as error:
            logger.info("%s failed", task, exc_info=error)
            ours = translate(error, where=str(task))
            if isinstance(ours, SegmentFailed):  # what any error without a better class becomes
                return PairFailed(ours.message, where=str(task), hint=ours.hint, traceback=ours.traceback)
            return ours

    def _perform(self, task: PairTask, *, scratch: Path) -> PairRecord:
        setup = self._setup
        store = open_store(setup.store)
        record = self._judge.judge(
            local_files(task.pair, cache=setup.cache),
            options=setup.options,
            plots=None if task.plots is None else scratch,
        )
        if isinstance(task.plots, PlotKeys):
            _commit_plots(store, task.plots, scratch)
        elif task.plots is not None:
            with _plot_files(task, task.plots).writing() as folder:
                shutil.copytree(scratch, folder, dirs_exist_ok=True)
        return _commit(store, task.key, record)


def judgement_of(plots: Path) -> str | None:
    """The key of the judgement whose plots a folder holds; None where it holds none."""
    manifest = manifest_of(plots, name=WRITTEN_MANIFEST)
    return None if manifest is None else manifest.of


def check_plots(task: PairTask) -> None:
    """See that plots may be written where the task wants them.

    Raises:
        OutputRefused: There are files of their names that the farm did not write.
        OutputUnwritable: The folder cannot be looked at.
    """
    if isinstance(task.plots, Path):
        _plot_files(task, task.plots).check(report_files(len(task.pair.generated)))


def _plot_files(task: PairTask, plots: Path) -> OutputFiles:
    return OutputFiles(
        home=str(plots),
        manifest=WRITTEN_MANIFEST,
        field="spec.output.uri",
        by="evaluate",
        of=task.key,
        overwrite=task.overwrite,
    )


def local_files(pair: EvaluationPair, *, cache: Path) -> PairFiles:
    """A pair on this machine.

    Raises:
        FarmError: A file is missing, or cannot be fetched.
    """
    return PairFiles(
        takes=tuple(fetch_file(take, cache=cache, where=pair.field) for take in pair.generated),
        truth=fetch_file(pair.truth, cache=cache, where=pair.field),
        speech=None if pair.speech is None else fetch_file(pair.speech, cache=cache, where=pair.field),
    )


def _commit(store: ObjectStore, key: str, record: PairRecord) -> PairRecord:
    try:
        store.put_if_absent(key, record.as_bytes())
    except SegmentDivergence:
        # Two kinds of machine round differently; whoever came first is quoted by everybody.
        logger.info("%s was measured before, with other last digits", key)
        return PairRecord.model_validate_json(store.get(key))
    return record


def _commit_plots(store: ObjectStore, keys: PlotKeys, folder: Path) -> None:
    for plot in sorted(path for path in folder.rglob("*") if path.is_file()):
        key = f"{keys.prefix}/{plot.relative_to(folder).as_posix()}"
        # Pages name paths and so differ from machine to machine; the first serves as well.
        if store.head(key) is None:
            store.put_if_absent(key, plot)
