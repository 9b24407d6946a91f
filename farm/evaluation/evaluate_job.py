"""An evaluate job from its pairs to its report: only what the store does not hold is measured.

Attempts at a pair are counted here, and here is judged what stops the whole job.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Final, Protocol

from farm.config import share_machine
from farm.crashes import name_file
from farm.destinations import check_destination
from farm.engine import engine_identity
from farm.evaluation.judge import JudgementIdentities, JudgeOptions, PairJudge
from farm.evaluation.markdown import evaluation_page
from farm.evaluation.records import EvaluationReport, PairRecord, PairRow, Result
from farm.evaluation.worker import (
    Judged,
    JudgeDied,
    PairTask,
    PlotKeys,
    WorkSetup,
    check_plots,
    judgement_of,
    local_files,
)
from farm.execution.opening import opened_cluster
from farm.outputs import WRITTEN_MANIFEST, OutputFiles, store_places
from farm.scheduling.failure_policy import WATCHED_PATIENCE_S, Patience
from farm.translation import translated
from infra.delivery import check_bucket
from infra.hardware import Hardware
from infra.settings import FarmSettings
from infra.storage import ObjectStore, open_store
from jobs.errors import (
    FarmError,
    InputError,
    PairFailed,
    SubjectRefused,
)
from jobs.evaluate_spec import PLOTS_FOLDER, REPORT_FILES
from jobs.evaluation_pairs import EvaluationPair
from jobs.farm_error import Retry
from jobs.locations import is_s3
from jobs.parse import LoadedEvaluation
from jobs.places import check_places
from stages.sync.syncnet_file import syncnet_file

ATTEMPTS: Final = 2
"""Starts of one pair while its worker or the machine fails; then it is given up, and the others go on."""

_LOOK_S: Final = 1.0

_FIELD: Final = "spec.output.uri"

_OF_THE_PAIR: Final = (PairFailed, InputError, SubjectRefused)
"""Errors about one pair alone: it is a row without figures. All others would meet every pair alike."""


class Pool(Protocol):
    """Workers that judge, see `farm.evaluation.ray_pool`."""

    def submit(self, task: PairTask) -> None:
        """Take a task; it starts when a worker is free."""
        ...

    def wait(self, *, timeout_s: float) -> Sequence[Judged | JudgeDied]:
        """What happened since the last call; waits up to `timeout_s` for the first."""
        ...


class EvaluationListener(Protocol):
    """Watches an evaluation."""

    def judged(self, *, done: int, total: int) -> None:
        """So many pairs have figures, or none to hope for."""
        ...

    def note(self, message: str) -> None:
        """One sentence worth telling."""
        ...


OpenPool = Callable[[WorkSetup, int], AbstractContextManager[Pool]]
"""Opens that many workers, or as many as there are cores, for a block; called when a pair is missing."""


def evaluate_job(
    loaded: LoadedEvaluation, *, settings: FarmSettings, open_pool: OpenPool, listener: EvaluationListener
) -> EvaluationReport:
    """Judge every pair of a job and write its report.

    Args:
        loaded: The job.
        settings: Of this process.
        open_pool: Opens workers, see `opened_judges`.
        listener: Is told what happens.

    Raises:
        FarmError: An input is missing, the output or the store cannot be written, or the cluster failed. A pair that
            cannot be judged raises nothing: it is a row of the report without figures.
    """
    started = time.monotonic()
    output = loaded.output.rstrip("/")
    pairs = loaded.find_pairs()
    check_places(loaded.places(pairs).reading(store_places(settings.store)))
    files = _report_files(loaded, output)
    setup = WorkSetup(store=settings.store, cache=settings.cache, options=_options(loaded))
    engine = engine_identity()
    tasks = _tasks(loaded, pairs, setup=setup, engine=engine, output=output)
    store = open_store(settings.store)
    results: dict[str, Result] = {
        str(task): record for task in tasks if (record := _finished(task, store)) is not None
    }
    found = frozenset(results)
    missing = [task for task in tasks if str(task) not in found]
    for task in missing:
        check_plots(task)
    listener.judged(done=len(found), total=len(tasks))
    if found:
        listener.note(f"{len(found)} of {len(tasks)} pairs were judged before")
    if missing:
        with open_pool(setup, len(missing)) as pool:
            results |= judge_all(
                missing, pool=pool, listener=listener, found=len(found), cache=settings.cache
            )
    report = EvaluationReport(
        name=loaded.job.metadata.name,
        engine=engine,
        rows=tuple(
            _row(task, results[str(task)], store=store, is_new=str(task) not in found) for task in tasks
        ),
        output=output,
        seconds=time.monotonic() - started,
    )
    _write(report, files)
    return report


@contextmanager
def opened_judges(
    setup: WorkSetup,
    pairs: int,
    *,
    judge: PairJudge,
    workers: int | None,
    settings: FarmSettings,
    hardware: Hardware,
) -> Iterator[Pool]:
    """Workers on the cluster of the settings, or on one that is started for the length of the block.

    Args:
        setup: What every worker must know.
        pairs: How many there are to judge; no more workers are started.
        judge: What measures.
        workers: How many the job asks for; None: one for each core.
        settings: Of this process.
        hardware: Of this machine.

    Raises:
        ClusterUnavailable: There is no cluster, or no worker came.
    """
    with opened_cluster(settings=settings, hardware=hardware) as cluster:
        # Ray reads its environment when it is imported; the connection has prepared it by now.
        from farm.evaluation.ray_pool import JudgePool

        cores = int(cluster.cpus)
        count = min(pairs, workers or cores)
        pool = JudgePool(
            judge=judge,
            setup=setup,
            workers=count,
            share=share_machine(cores=cores, gpus=0, replicas=count),
        )
        try:
            pool.start()
            yield pool
        finally:
            pool.close()


def judge_all(
    tasks: Sequence[PairTask],
    *,
    pool: Pool,
    listener: EvaluationListener,
    found: int,
    cache: Path | None = None,
) -> dict[str, Result]:
    """The result of every task, by its name.

    Args:
        tasks: What to do.
        pool: Who does it.
        listener: Is told what happens.
        found: Pairs of the job that need nothing, for the count.
        cache: Where the tracebacks of what nobody foresaw are kept; among the temporary files with None.

    Raises:
        FarmError: What would meet every pair alike: a full disk, a missing model, a cluster that is gone.
    """
    results: dict[str, Result] = {}
    attempts: Counter[str] = Counter()
    patience, later = Patience(limit_s=WATCHED_PATIENCE_S), list[PairTask]()
    for task in tasks:
        pool.submit(task)
    while len(results) < len(tasks):
        if len(later) == len(tasks) - len(results):
            time.sleep(max(0.0, patience.until - patience.clock()))
        if not patience.is_waiting:
            while later:
                pool.submit(later.pop())
        for outcome in pool.wait(timeout_s=_LOOK_S):
            task, result = outcome.task, _result_of(outcome)
            if isinstance(result, PairRecord):
                patience.got_on()
            elif patience.wait_s(result) is not None:
                if patience.is_news:
                    listener.note(patience.sentence(str(task)))
                later.append(task)
                continue
            elif result.retry is Retry.ELSEWHERE and attempts[str(task)] + 1 < ATTEMPTS:
                attempts[str(task)] += 1
                listener.note(f"{task} is judged again: {result.message}")
                pool.submit(task)
                continue
            elif result.retry is not Retry.ELSEWHERE and not isinstance(result, _OF_THE_PAIR):
                raise result
            if isinstance(result, FarmError):
                name_file(result, cache=cache, what=f"judge {task}")
                listener.note(f"{task} cannot be judged: {result.message}")
            results[str(task)] = result
            listener.judged(done=found + len(results), total=found + len(tasks))
    return results


def _options(loaded: LoadedEvaluation) -> JudgeOptions:
    spec = loaded.job.spec
    syncnet = loaded.syncnet
    if syncnet is not None:
        with translated("spec.syncnet"):
            syncnet = syncnet_file(syncnet)
    return JudgeOptions(
        measures=tuple(sorted(set(spec.measures))), sample_every=spec.sample_every, syncnet=syncnet
    )


def _tasks(
    loaded: LoadedEvaluation,
    pairs: Sequence[EvaluationPair],
    *,
    setup: WorkSetup,
    engine: str,
    output: str,
) -> list[PairTask]:
    identities = JudgementIdentities(options=setup.options, engine=engine)
    tasks = []
    for pair in pairs:
        home = identities.of(local_files(pair, cache=setup.cache))
        plots: Path | PlotKeys | None = None
        if loaded.job.spec.output.plots:
            in_store = is_s3(output)
            plots = PlotKeys(f"{home}/plots") if in_store else Path(output) / PLOTS_FOLDER / str(pair)
        tasks.append(PairTask(pair=pair, key=f"{home}/figures.json", plots=plots, overwrite=loaded.overwrite))
    return tasks


def _finished(task: PairTask, store: ObjectStore) -> PairRecord | None:
    """The figures of a pair that was judged before and whose plots are where this job wants them."""
    if store.head(task.key) is None:
        return None
    if isinstance(task.plots, Path) and judgement_of(task.plots) != task.key:
        return None
    if isinstance(task.plots, PlotKeys) and next(store.list(f"{task.plots.prefix}/"), None) is None:
        return None
    return PairRecord.model_validate_json(store.get(task.key))


def _row(task: PairTask, result: Result, *, store: ObjectStore, is_new: bool) -> PairRow:
    plots: str | None = None
    if isinstance(task.plots, PlotKeys):
        plots = f"{store.uri}/{task.plots.prefix}"
    elif task.plots is not None:
        plots = str(task.plots)
    return PairRow(pair=task.pair, result=result, plots=plots, is_new=is_new)


def _report_files(loaded: LoadedEvaluation, output: str) -> OutputFiles:
    """The report's files, held against what is there before anything is measured."""
    names = [name for name in REPORT_FILES if name != WRITTEN_MANIFEST]
    for name in REPORT_FILES:
        if is_s3(output):
            check_bucket(f"{output}/{name}", where=_FIELD)
        else:
            check_destination(Path(output) / name, where=_FIELD)
    files = OutputFiles(
        home=output, manifest=WRITTEN_MANIFEST, field=_FIELD, by="evaluate", overwrite=loaded.overwrite
    )
    files.check(names)
    return files


def _write(report: EvaluationReport, files: OutputFiles) -> None:
    record = json.dumps(report.as_record(), indent=2, ensure_ascii=False) + "\n"
    with files.writing() as folder:
        (folder / "report.json").write_text(record, encoding="utf-8")
        (folder / "report.md").write_text(evaluation_page(report), encoding="utf-8")


def _result_of(outcome: Judged | JudgeDied) -> Result:
    if isinstance(outcome, Judged):
        return outcome.result
    return PairFailed(
        f"its worker died: {outcome.reason}",
        where=str(outcome.task),
        code="worker_died",
        hint="see whether memory is short; judge it alone with farm evaluate --generated",
        retry=Retry.ELSEWHERE,
    )
